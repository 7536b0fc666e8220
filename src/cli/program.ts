import { Command, CommanderError, Option } from 'commander';
import { readFileSync } from 'node:fs';
import { exits } from './exit.ts';
import type { Options } from './options.ts';

/** A command's work, loaded when it is called: starting must not load what others need. */
type Work = (args: readonly string[], options: Options) => number | Promise<number>;

interface Entry {
  readonly usage: string;
  readonly summary: string;
  /** Text of the help between its options and the examples. */
  readonly details?: string;
  readonly options?: readonly Option[];
  /** Two of them, each a command line and what it is for. */
  readonly examples: readonly [[string, string], [string, string]];
  readonly work: () => Promise<Work>;
}

const only = new Option(
  '--only <selector>',
  'work on a part and what it needs: host:NAME, role:NAME, cell:NAME, kind:NAME, or a name alone',
);
/** For an option that can be given several times. */
const collected = (text: string, all: readonly string[] | undefined): readonly string[] => [...(all ?? []), text];
const out = (what: string): Option => new Option('--out <path>', what);

const entries: readonly Entry[] = [
  {
    usage: 'init [dir]',
    summary: 'write a commented inventory to start from',
    examples: [
      ['cellwise init', 'write ./inventory.yaml'],
      ['cellwise init clouds/lab', 'write clouds/lab/inventory.yaml'],
    ],
    work: async () => (await import('./init.ts')).init,
  },
  {
    usage: 'validate',
    summary: 'check the inventory and its roles, without a network',
    examples: [
      ['cellwise validate', 'check ./inventory.yaml'],
      ['cellwise validate -i prod.yaml --json', 'one problem a line, for an editor or CI'],
    ],
    work: async () => (await import('./validate.ts')).validate,
  },
  {
    usage: 'graph',
    summary: 'show what is done on which host, and in what order',
    options: [
      new Option('--format <format>', 'text, mermaid, dot or json').choices(['text', 'mermaid', 'dot', 'json']).default('text'),
      only,
    ],
    examples: [
      ['cellwise graph', 'everything, as text'],
      ['cellwise graph --only role:keystone --format mermaid', 'what Keystone needs, as a drawing for a README'],
    ],
    work: async () => (await import('./graph.ts')).graph,
  },
  {
    usage: 'plan',
    summary: 'show what would change on all hosts; change nothing',
    options: [
      out('save the plan, to be applied exactly'),
      new Option('--detailed-exitcode', 'exit code 2 when something would change'),
      only,
    ],
    examples: [
      ['cellwise plan', 'what would change now'],
      ['cellwise plan --out tonight.plan', 'save it for `cellwise apply tonight.plan`'],
    ],
    work: async () => (await import('./plan.ts')).plan,
  },
  {
    usage: 'apply [planfile]',
    summary: 'make the hosts what the inventory says, after asking',
    options: [new Option('--yes', 'do not ask'), only],
    examples: [
      ['cellwise apply', 'show what would change and ask'],
      ['cellwise apply tonight.plan --yes', 'do exactly what was saved, or refuse'],
    ],
    work: async () => (await import('./apply.ts')).apply,
  },
  {
    usage: 'verify',
    summary: 'run all health checks, then use the cloud as a user would',
    options: [
      new Option('--health', 'the health checks alone: they take seconds and make nothing'),
      new Option('--quick', 'servers on one compute host of each cell instead of on all').conflicts('health'),
      only,
      new Option('--junit <file>', 'write the results as JUnit XML too'),
    ],
    examples: [
      ['cellwise verify', 'make networks and servers, log in to them, remove them'],
      ['cellwise verify --health --only keystone --json', 'the health of one role and what it needs, for a monitor'],
    ],
    work: async () => (await import('./verify.ts')).verify,
  },
  {
    usage: 'render',
    summary: 'write files as they would be on hosts, secrets by name',
    options: [out('the directory to write to').makeOptionMandatory(), only],
    examples: [
      ['cellwise render --out /tmp/cloud', 'all files, one directory a host'],
      ['cellwise render --out after --only keystone', 'one role; `diff -r before after` compares two'],
    ],
    work: async () => (await import('./render.ts')).render,
  },
  {
    usage: 'explain <topic>',
    summary: 'explain a role, a step type, a host or a problem code',
    examples: [
      ['cellwise explain keystone', 'the role: its params, steps and health'],
      ['cellwise explain ctl1', 'the host: its roles, and where each param came from'],
    ],
    work: async () => (await import('./explain.ts')).explain,
  },
  {
    usage: 'status',
    summary: 'show how the last run ended, and what is left to do',
    examples: [
      ['cellwise status', 'how did the last run end?'],
      ['cellwise status --json', 'the same as events'],
    ],
    work: async () => (await import('./status.ts')).status,
  },
  {
    usage: 'secrets <action> [words...]',
    summary: 'keep, share and renew the secrets of the cloud',
    details: `Actions:
  init                         make the secrets that are missing
  list                         names, origin, age and use; no values
  show NAME                    print one
  set NAME                     type a value twice, or pipe it in
  rotate NAME                  make a new random value
  undo NAME                    take back what was set or rotated since the
                               last apply that went well
  remove NAME                  remove one that nothing uses
  identity                     print your own public key
  recipients                   who can open the secrets; their fingerprint
  recipients add RECIPIENT     let another operator open them, by the public
                               key of an age identity
  recipients remove RECIPIENT  shut one out, and say what to rotate
  passphrase [remove]          protect the identity by a passphrase, or not
  accept FINGERPRINT           believe an older file, or somebody else's`,
    options: [new Option('--force', 'also what is in use or was set by hand (set, rotate, remove)')],
    examples: [
      ['cellwise secrets show keystone.admin_password', "print the administrator's password"],
      ['cellwise secrets rotate keystone.db_password', 'give it a new value, used from the next apply on'],
    ],
    work: async () => (await import('./secrets.ts')).secrets,
  },
  {
    usage: 'upgrade <action> [planfile]',
    summary: 'upgrade the cloud to another release, wave by wave',
    details: `Actions:
  plan            show every wave up to the release in the inventory
  run [PLANFILE]  upgrade, wave by wave
  pause           stop when the hosts that are under way are done
  resume          continue an upgrade that has paused
  status          show how far it is, and what is out of service for it
  abort           leave the cloud as it is, on two releases
  rehearse        run it on simulated hosts`,
    options: [
      out('save the plan, to be run exactly (plan)'),
      new Option('--yes', 'do not ask before it begins'),
      new Option('--accept-irreversible', 'do not ask before what cannot be taken back'),
      new Option(
        '--fail <host:step>',
        'what goes wrong in a rehearsal: HOST:STEP or HOST:STEP:KIND; kinds are dead, fail, hang, slow, flap',
      ).argParser(collected),
      new Option('--from <release>', 'the release that a rehearsal begins with'),
    ],
    examples: [
      ['cellwise upgrade plan --out tonight.plan', 'every wave, what changes on its hosts, and why it may not start'],
      ['cellwise upgrade rehearse --fail cmp3:packages', 'what becomes of it when the packages of cmp3 fail'],
    ],
    work: async () => (await import('./upgrade.ts')).upgrade,
  },
  {
    usage: 'lab <action> [words...]',
    summary: 'run containers that stand in for the hosts',
    details: `Actions:
  up                    start one container a host, on this machine
  down                  remove them with all that is on them
  ssh HOST [COMMAND]    a root shell, or a command, on one of them`,
    examples: [
      ['cellwise lab up -i inventories/lab.yaml', 'one container a host'],
      ['cellwise lab ssh ctl1 -i inventories/lab.yaml', 'a root shell on one of them'],
    ],
    work: async () => (await import('./lab.ts')).lab,
  },
];

/** Runs the command line and sets the process's exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  // Whoever reads may stop before the end, e.g. `head`: that is no failure, and no reason to leave a run half done.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  const program = build();
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exits.done : exits.invalid;
    else process.exitCode = (await import('./failure.ts')).tell(error, argv.includes('--json'));
  }
}

function build(): Command {
  const program = new Command('cellwise')
    .description('From one YAML inventory to an OpenStack cloud on Ceph, over SSH.')
    .version(version(), '-V, --version')
    .exitOverride()
    // The usage of a command is in its own help: here it would leave no room for what the command does.
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .showHelpAfterError('(see `cellwise --help`)')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 a step failed or you said no, 2 changes pending,\n3 invalid input, 4 a host unreachable, 5 locked, 130 interrupted.',
    );
  for (const entry of entries) add(program, entry);
  return program;
}

function add(program: Command, { usage, summary, details, options = [], examples, work }: Entry): void {
  const command = program
    .command(usage)
    .description(summary)
    .option('-i, --inventory <file>', 'the inventory', 'inventory.yaml')
    .option('--allow-outside <path>', 'a file or directory outside the inventory’s directory that it may have sent to hosts', collected)
    .option('--json', 'one JSON event a line on standard output')
    .addHelpText(
      'after',
      `${details === undefined ? '' : `\n${details}\n`}\nExamples:\n${examples.map(([line, what]) => `  $ ${line}\n      ${what}`).join('\n')}`,
    )
    .action(async (...all: unknown[]) => {
      const args = command.processedArgs.flat().filter((arg) => arg !== undefined) as string[];
      process.exitCode = await (await work())(args, all.at(-2) as Options);
    });
  for (const option of options) command.addOption(option);
  // What follows the host of `lab ssh` belongs to the command there.
  if (usage.startsWith('lab')) command.passThroughOptions(false).allowUnknownOption();
}

function version(): string {
  return (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;
}
