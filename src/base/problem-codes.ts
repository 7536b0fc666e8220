interface Explanation {
  /** What is wrong, in one line. */
  readonly title: string;
  /** Why it matters and what to do. */
  readonly explain: string;
}

/** Every code a Problem can have. `cellwise explain CODE` prints an entry; docs/reference/problems.md lists them. */
export const problemCodes = {
  'file-unreadable': {
    title: 'A file cannot be read',
    explain: 'The file does not exist, is not a file, or you may not read it. Check the path that you gave with -i.',
  },
  'file-outside': {
    title: 'A file lies outside of where it belongs',
    explain:
      'What a role or an inventory names is read as you and sent to hosts, so whoever wrote it could have any file of yours sent. A role has the files below its own directory, an inventory those below its own, links followed. Copy the file there, or, for a file that an inventory names, say --allow-outside PATH.',
  },
  'file-too-large': {
    title: 'A file is too large',
    explain:
      'At most 10 MB or a million words and signs of YAML are read. No inventory or role needs that much; it is probably the wrong file. Write fleets of hosts as ranges: cmp[001-500].',
  },
  'yaml-encoding': {
    title: 'A file is not UTF-8 text',
    explain: 'Inventories and roles are UTF-8, with or without a byte order mark. Save the file again as UTF-8.',
  },
  'yaml-binary': {
    title: 'A file holds control characters',
    explain:
      'Bytes such as NUL or ESC have no place in YAML: it is a binary file, or something was pasted into it. In double quotes they can be written as escapes: "\\x1b".',
  },
  'yaml-empty': {
    title: 'A file has nothing in it',
    explain: 'The file is empty or has only comments. `cellwise init` writes an inventory to start from.',
  },
  'yaml-syntax': {
    title: 'The text is not YAML',
    explain:
      'The place shown is where reading failed; the cause is there or shortly before. Common causes: uneven indentation, a missing colon or space after it, an open quote or bracket.',
  },
  'yaml-tab': {
    title: 'A tab is used to indent',
    explain: 'YAML allows only spaces in indentation, because tabs are not equally wide everywhere. Use two spaces a level.',
  },
  'yaml-duplicate-key': {
    title: 'A key is written twice in one mapping',
    explain: 'Only one of the two values could count, and nobody would see which. Remove one, or give it another name.',
  },
  'yaml-key': {
    title: 'A key is not text',
    explain: 'Keys are names. A number, true, null, a list or a mapping cannot be one; put quotes around it if it is meant as text: "1".',
  },
  'yaml-alias': {
    title: 'An alias cannot be followed',
    explain:
      'An alias (*name) repeats what an anchor (&name) marked before it. It must not name an unknown anchor or contain itself, and all aliases of a file together must not grow beyond a million values.',
  },
  'yaml-depth': {
    title: 'Values are nested deeper than 100 levels',
    explain: 'Nothing that Cellwise reads is nested that deep; brackets are probably left open.',
  },
  'yaml-documents': {
    title: 'A file holds several YAML documents',
    explain: 'A line of three dashes starts another document. Each file holds exactly one; split it.',
  },
  'yaml-tag': {
    title: 'A tag has no meaning here',
    explain: 'Tags such as !vault belong to other programs. A secret is written as {secret: NAME} and kept by `cellwise secrets`.',
  },
  'unknown-key': {
    title: 'A key is not known',
    explain: 'It would have no effect, and you would wonder why, so it is refused. Most often it is a typing error.',
  },
  'missing-key': {
    title: 'A key that must be there is missing',
    explain: 'There is no sensible value to assume for it.',
  },
  'wrong-type': {
    title: 'A value is of the wrong kind',
    explain:
      'For example text where a number is expected. YAML decides by the spelling: 2025.1 is a number, "2025.1" is text; true is a truth value, "true" is text.',
  },
  'bad-value': {
    title: 'A value is not one of those allowed',
    explain: 'The message says which are.',
  },
  'bad-name': {
    title: 'A name has characters that it must not have',
    explain:
      'Names of hosts, cells and networks end up in DNS, file names and databases, so they are lower-case letters, digits and dashes.',
  },
  'secret-in-clear': {
    title: 'A secret is written in clear text',
    explain:
      'Inventories are shared and kept in version control, so they name secrets and do not hold them. Write {secret: NAME} and keep the value by `cellwise secrets set NAME`.',
  },
  'bad-range': {
    title: 'A range of hosts is not right',
    explain:
      'cmp[001-500] stands for cmp001 to cmp500. The first number is not above the last; with leading zeros both have the same number of digits; a range has at most 65,536 hosts.',
  },
  'duplicate-host': {
    title: 'Two hosts have the same name',
    explain: 'Ranges are expanded first: cmp2 and cmp[1-3] name the same host twice.',
  },
  'host-name': {
    title: 'A host cannot have this name',
    explain:
      'A name is one DNS label of at most 63 characters. "localhost" is every host’s name for itself, and "unknown" is what Cellwise calls a state that it could not read.',
  },
  'duplicate-address': {
    title: 'Two hosts have the same address',
    explain: 'A range counts its addresses up from the one given, so it takes as many addresses as it has hosts.',
  },
  'address-outside-network': {
    title: 'An address is not in its network',
    explain:
      "A host's `address` is in the management network, each of its `addresses` in the network of that name, a gateway in its own. The last host of a range must fit as well.",
  },
  'address-reserved': {
    title: 'An address belongs to the network itself',
    explain: 'The first address of a network names the network and the last one is its broadcast address; no host can have them.',
  },
  'unknown-network': {
    title: 'A host has an address in a network that is not described',
    explain: 'Every name under `addresses` must be one under `networks`.',
  },
  'network-overlap': {
    title: 'Two networks share addresses',
    explain: 'Traffic for a shared address would go to one of them by chance.',
  },
  'secrets-taken-along': {
    title: 'A host that leaves knows secrets',
    explain:
      'Leaving does not wipe a host. What its roles wrote there opens databases, queues and Ceph until these secrets are rotated. A warning: the command goes on.',
  },
  'not-a-lab': {
    title: 'An inventory that is not meant for a lab',
    explain:
      'A lab has bridges and containers with the addresses of the inventory, on this machine. So that a cloud of real machines is not laid over it by mistake, an inventory for a lab says so: it names the keys that the lab makes.',
  },
  'service-needed': {
    title: 'A service is removed that another one needs',
    explain: '`cloud.services.remove` takes a role out of the cloud together with all that need it, but not what `add` asks for.',
  },
  'no-effect': {
    title: 'Something that is written has no effect',
    explain:
      'It is legal, and nothing comes of it: Cellwise does not do this, or no host of this inventory is concerned. A warning: the command goes on.',
  },
  'missing-address': {
    title: 'A host has no address in a network that others like it use',
    explain:
      'They speak over two networks, and may not reach each other. Give every such host an address, or leave the network out. A warning for tunnels, which may be routed; an error for storage, whose daemons end without an address in their network.',
  },
  'no-quorum': {
    title: 'An even number of hosts has to agree',
    explain:
      'The databases on controllers and the Ceph monitors go on only while more than half of them see each other. Two survive no failure, and four no more than three do. Use 1 (no failure survived), 3 or 5.',
  },
  'too-few-hosts': {
    title: 'A param asks for more hosts than there are',
    explain:
      'Some params count hosts. Copies of data in Ceph are each on another storage host, so a pool with more replicas than there are hosts never becomes healthy.',
  },
  'no-controller': {
    title: 'No host is a controller of the cloud',
    explain: 'The API services, databases and message queue run on controllers. Hosts of kind cell carry that of a cell only.',
  },
  'no-storage': {
    title: 'Ceph is asked for, but there is no storage host',
    explain: 'Add hosts of kind storage, or write `storage: file`.',
  },
  'unknown-cell': {
    title: 'A host is in a cell that does not exist',
    explain: 'Cells are named under `cells`; without that section there is one cell, cell1.',
  },
  'missing-cell': {
    title: 'A host does not say its cell',
    explain: 'With one cell that is clear; with several each compute host and each host of kind cell has to name one.',
  },
  'cell-host': {
    title: 'A host cannot be of a cell in this way',
    explain:
      'Compute hosts are in a cell, and hosts of kind cell carry one: its database, message queue, conductor and console proxy. Controllers carry the whole cloud.',
  },
  'cell-without-control': {
    title: 'A cell has nobody to carry it',
    explain: 'Controllers carry one cell. Each other one has hosts of kind cell: one, three or five.',
  },
  'empty-cell': {
    title: 'A cell has no host',
    explain: 'A cell exists for its compute hosts. Remove it, or put hosts into it.',
  },
  'duplicate-disk': {
    title: 'A disk is listed twice on a host',
    explain: 'Each disk is given to Ceph as a whole, once.',
  },
  'bad-vip': {
    title: 'A virtual address cannot be used',
    explain: 'The internal one is in the management network, the external one in any network described; neither is the address of a host.',
  },
  'unknown-resource': {
    title: 'A resource names another that is not declared',
    explain:
      'Resources refer to each other by the keys that they have under `resources`. What they refer to is declared in the same inventory, so that it is there before them.',
  },
  'duplicate-resource': {
    title: 'Two subnets have the same key',
    explain: 'Routers refer to subnets by their keys, whichever network they are on. `name` gives two of them the same name in the cloud.',
  },
  'not-an-image': {
    title: 'A file is not the image that it should be',
    explain:
      'An image is public unless something else is said, so a file must begin as its format does. Name the format under `format`, or give the right file. A raw image cannot be told from any other file: say its `visibility`.',
  },
  'no-digest': {
    title: 'What an http:// URL gives is not checked',
    explain:
      'Anybody between the controller and that server can put another image in its place. Write the sha256 or sha512 that its publisher names, or take a https:// URL.',
  },
  'no-source': {
    title: 'It is not clear where something comes from',
    explain: 'An image has one of file, url and build; a key pair has one of public_key and file.',
  },
  'no-api': {
    title: 'Resources need an API that this cloud does not have',
    explain:
      'For example networks, where no role offers the network API. Roles say which API they offer by `api`; a role without a host offers none.',
  },
  'unknown-role': {
    title: 'There is no role of this name',
    explain: 'Roles are the directories below roles/. `cellwise explain NAME` shows one; the hint names the nearest.',
  },
  'unknown-param': {
    title: 'A role has no such param',
    explain: '`cellwise explain ROLE` lists the params of a role.',
  },
  'role-name': {
    title: 'The name of a role is taken, or differs from its directory',
    explain:
      'The directory is how people find a role, and the name is how roles find each other: give both the same name, and each role its own. A few names are reserved: plans and templates use them for something else.',
  },
  refused: {
    title: 'A change that must not be made',
    explain:
      'It would lose data, or overwrite what belongs to somebody else. Nothing of the plan is done. The message says what is in the way.',
  },
  'role-cycle': {
    title: 'Roles need each other in a circle',
    explain: 'None of them could ever begin. The message shows the circle; take one of its needs away.',
  },
  'need-without-host': {
    title: 'A role needs one that no host carries',
    explain: 'A role waits for those that it needs, so they must be somewhere. Add a host of a kind that carries the missing one.',
  },
  'os-unknown': {
    title: 'A role knows no names for this operating system',
    explain: 'Packages and units are called differently on each family. The role names them below `os`, one entry a family.',
  },
  'upgrade-open': {
    title: 'An upgrade was begun and is not ended',
    explain: 'There is one upgrade at a time. It is gone on with by `upgrade resume`, or left where it is by `upgrade abort`.',
  },
  'release-jump': {
    title: 'An apply would bring the cloud to another release at once',
    explain:
      'The inventory asks for a release whose software is of another series than what hosts run. `cellwise upgrade plan` shows the way there, and `cellwise upgrade run` goes it host by host. There is no way back but a backup.',
  },
  'no-upgrade': {
    title: 'There is no upgrade under way',
    explain: '`cellwise upgrade status` tells what became of the last one; `cellwise upgrade run` begins one.',
  },
  'upgrade-section': {
    title: 'Something has no place around an upgrade',
    explain:
      'Packages and sources belong into `steps`: each host has one transaction of them. Who does a section of `upgrade`, and when, its name says; `policy` is for `drain`.',
  },
  'upgrade-canary': {
    title: 'A canary is not one of the hosts that it goes ahead of',
    explain: 'The canary of a kind or a cell is the first of its hosts to be upgraded, so it is one of them.',
  },
  'unknown-step-type': {
    title: 'There is no step or check of this type',
    explain: 'The first key of a step is its type. `cellwise explain TYPE` shows one.',
  },
  'unknown-watch': {
    title: 'A service watches something that its role does not have',
    explain: '`watches` names steps of the same role: a path, a package, a name. Otherwise its restart would be lost.',
  },
  template: {
    title: 'A template cannot be rendered',
    explain:
      'It names something that is not known there, or does not parse. A role sees its own params, host, cloud, networks, os, and the params of roles that it needs.',
  },
  'two-owners': {
    title: 'Two roles declare the same resource on one host',
    explain: 'Each run would undo what the other wrote. One name has one owner: take one of the two away.',
  },
  selector: {
    title: 'A selector means nothing, or more than one thing',
    explain: 'Selectors are host:NAME, role:NAME, cell:NAME and kind:NAME, or a name alone; several with commas between them.',
  },
  'plan-file': {
    title: 'A saved plan cannot be used',
    explain: 'It is damaged, was changed by hand, or belongs to another cloud. A plan is applied as it was shown or not at all.',
  },
  'plan-stale': {
    title: 'A saved plan is no longer true',
    explain:
      'Hosts, inventory, roles, secrets or Cellwise itself were changed since it was made. Make it anew and look at it before you apply it.',
  },
  'secrets-identity': {
    title: 'The secrets cannot be opened',
    explain:
      'They are encrypted with age. The identity that opens them is in .cellwise beside the inventory, or where CELLWISE_IDENTITY says.',
  },
  'not-private': {
    title: 'A file or directory could be read or changed by others',
    explain:
      'Keys must be readable by their owner alone, and Cellwise writes neither through links nor into directories that others can write to: they could read your secrets, or have your files overwritten. The hint says what to change.',
  },
  'no-secrets': {
    title: 'There are no secrets yet',
    explain: '`cellwise secrets init` makes them; so does the first plan or apply.',
  },
  'secrets-untrusted': {
    title: 'The secrets file was not written by anyone known here',
    explain:
      'Anybody can encrypt a file for you; only those who could open the former one know the key inside it. Either somebody replaced the file, or an operator was removed, or you open it for the first time. Ask whoever wrote it for its fingerprint, which `cellwise secrets recipients` prints, and accept it if it is the same.',
  },
  'secrets-older': {
    title: 'The secrets file is not the newest that was seen here',
    explain:
      'Each write counts the version of the file up, and the newest that was seen is remembered in .cellwise. An older file brings back old passwords. Get the newest; if you restored the older one on purpose, accept it by `cellwise secrets accept`.',
  },
  'secrets-locked': {
    title: 'The secrets cannot be locked',
    explain:
      'Whoever changes the secrets holds a lock on .cellwise/NAME/secrets.lock, so that no other change is lost. It takes a fraction of a second, and ends with the process.',
  },
  'secrets-recipient': {
    title: 'A recipient of the secrets is not right',
    explain: 'Recipients are the public halves of age identities: age1… `cellwise secrets recipients` lists those who can open the file.',
  },
  'secrets-elsewhere': {
    title: 'The secrets of this cloud are kept under another name',
    explain:
      'Secrets are kept beside the inventory, under its name. Under another name all of them would be made anew, and a cloud that runs would get other passwords. Rename the files together.',
  },
  'secret-unset': {
    title: 'A secret that only you can know has no value',
    explain:
      'Passwords for sudo and passphrases of keys exist already: Cellwise cannot make them up. Give them by `cellwise secrets set NAME`.',
  },
  'secret-value': {
    title: 'A value cannot be kept as a secret',
    explain: 'It is empty, or holds characters that the places it is written to cannot carry, such as line breaks.',
  },
  'secret-protected': {
    title: 'A secret is not changed or removed that easily',
    explain:
      'Some secrets must never change, some were given by hand because their value is decided elsewhere, and some are in use. The message says which it is.',
  },
  'unknown-secret': {
    title: 'There is no secret of this name',
    explain: 'Secrets are called ROLE.PARAM, e.g. keystone.admin_password.',
  },
  'unknown-host': {
    title: 'There is no host of this name',
    explain: 'Hosts are those of the inventory, ranges expanded: cmp[1-2] gives cmp1 and cmp2.',
  },
  'unknown-topic': {
    title: 'Nothing of this name can be explained',
    explain: '`explain` knows roles, step types, checks, hosts of the inventory and codes of problems.',
  },
  'cannot-ask': {
    title: 'Nobody can be asked',
    explain: '`apply` asks before it changes anything. Without a terminal, say --yes.',
  },
  'unsafe-directory': {
    title: 'A directory is not safe to write to',
    explain:
      'What `render` writes is called as roles say. So it follows no links, and writes only below directories that belong to you and that others cannot write to.',
  },
  'file-exists': {
    title: 'A file is there already',
    explain: 'Cellwise overwrites nothing that you wrote. Move it away or choose another place.',
  },
  usage: {
    title: 'The command line is not understood',
    explain: '`cellwise COMMAND --help` shows how it is used, with examples.',
  },
  'no-engine': {
    title: 'No container engine answers',
    explain: 'A lab is made of containers. `npm run setup` in the source tree installs an engine on Debian.',
  },
  'no-image-tool': {
    title: 'The tool that makes the machine image is missing',
    explain: '`npm run setup` in the source tree installs mmdebstrap on Debian.',
  },
  'lab-command': {
    title: 'A command that a lab is made with has failed',
    explain:
      'Labs are made with `docker` and `mmdebstrap`; the message is what the command said. A machine that does not boot in time is named with its failed units; an engine that refuses says more in its log.',
  },
  'lab-network': {
    title: 'A lab cannot have this network or address',
    explain: 'Labs need IPv4 networks that are free on this machine, and each host an address in one of them other than the first.',
  },
  'lab-differs': {
    title: 'A lab is up that looks otherwise',
    explain: 'The inventory was changed since `lab up`. Take it down with `cellwise lab down` and bring it up again.',
  },
  'lab-disk': {
    title: 'A lab cannot have disks',
    explain:
      'The disks of a lab are sparse files behind loop devices, in `.cellwise/NAME/disks` beside the inventory. Making them needs root.',
  },
  'lab-elsewhere': {
    title: 'A lab of this name belongs to another inventory',
    explain: 'Labs are named by their cloud. Give the cloud another name, or take the other lab down.',
  },
  locked: {
    title: 'Somebody else works on a host',
    explain:
      'Two runs on one host would undo each other. The message says who it is and since when; the lock goes when that run ends or dies.',
  },
  unreachable: {
    title: 'A host cannot be worked on',
    explain: 'The message says which way it failed; docs/ssh.md has what to do about each.',
  },
} as const satisfies Record<string, Explanation>;

export type ProblemCode = keyof typeof problemCodes;
