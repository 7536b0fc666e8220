import { sh, type Command } from '../base/command.ts';
import type { Json, State } from '../base/state.ts';
import { type ApiData, defineApiResource, type Found } from './define.ts';
import { call, find, must, projectId, type Talk } from './openstack.ts';

interface Image {
  readonly id: string;
  readonly status: string;
  readonly os_hash_algo: string | null;
  readonly os_hash_value: string | null;
  readonly [attribute: string]: unknown;
}

/** Params by the name that Glance has for them. */
const attributes = {
  visibility: 'visibility',
  format: 'disk_format',
  min_disk: 'min_disk',
  min_ram: 'min_ram',
  hidden: 'os_hidden',
  protected: 'protected',
} as const;
type Param = keyof typeof attributes;

/** The property in which an image remembers what its data was made from. */
const origin = 'cellwise_source';

/** An image. Servers and volumes may stand on it, so there is no way to remove it here; it can be hidden. */
export const image = defineApiResource({
  type: 'image',
  summary: 'An image that servers are made from: a file, what a URL gives, or what a script makes; sent to Glance once.',
  nameParam: 'image',
  identity: (p) => `${p.project}/${p.image}`,
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['image'],
    additionalProperties: false,
    properties: {
      image: { type: 'string', minLength: 1, maxLength: 255, description: 'Its name.' },
      project: { type: 'string', default: 'admin', description: 'The project that it belongs to.' },
      file: {
        type: 'string',
        format: 'local-file',
        description: 'A file on the machine that Cellwise runs on; needs its `sha512`. An inventory alone can name one.',
      },
      url: { type: 'string', pattern: '^https?://', description: 'Where the host of the image API fetches it.' },
      build: {
        type: 'string',
        description: 'A POSIX sh script that the host of the image API runs as root in an empty directory: it leaves the file `image`.',
      },
      source: {
        type: 'string',
        description: 'What a URL or a script stands for: as long as this text is the same, so is the data. The URL when left out.',
      },
      sha512: { type: 'string', pattern: '^[0-9a-f]{128}$', description: 'Digest of the data.' },
      sha256: { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'Digest of what the URL gives.' },
      format: {
        type: 'string',
        enum: ['qcow2', 'raw', 'iso', 'vmdk', 'vdi', 'vhd'],
        default: 'qcow2',
        description: 'The format of its data.',
      },
      fetched: {
        type: 'string',
        enum: ['qcow2', 'vmdk', 'vdi', 'vhd'],
        description: 'The format of what the URL gives, where it is another: the host of the image API converts it.',
      },
      visibility: {
        type: 'string',
        enum: ['public', 'private', 'shared', 'community'],
        default: 'public',
        description: 'Who may use it.',
      },
      hidden: { type: 'boolean', default: false, description: 'Left out of lists: what is there goes on, new users do not find it.' },
      protected: { type: 'boolean', default: false, description: 'Glance refuses to delete it.' },
      min_disk: { type: 'integer', minimum: 0, description: 'The smallest root disk in GiB that a flavor may have.' },
      min_ram: { type: 'integer', minimum: 0, description: 'The least memory in MiB that a flavor may have.' },
      properties: {
        type: 'object',
        default: {},
        additionalProperties: { type: 'string' },
        description: 'What Nova and users read, e.g. hw_disk_bus: virtio. Other properties are left alone.',
      },
    },
  },
  desired: (p): State => ({
    data: wantedData(p),
    ...given(p),
    ...Object.fromEntries(Object.entries(p.properties).map(([name, value]) => [`property ${name}`, value])),
  }),
  cannot: (_, { before, differences }) => {
    const data = differences.find(({ key }) => key === 'data');
    const there = before !== null && before['data'] !== 'none';
    if (there && data) {
      return `its data is ${JSON.stringify(data.before)}, and Glance cannot replace it: give the new image another name, or rename this one`;
    }
    return there && differences.some(({ key }) => key === 'format') ? 'Glance cannot change the format of an image with data' : undefined;
  },
  *look(p): Talk<Found> {
    const project = yield* projectId(p.project);
    const known = project === undefined ? undefined : yield* imageOf(project, p.image);
    if (!known) return null;
    if (!['active', 'queued', 'deactivated'].includes(known.status)) return { unknown: `Glance says that the image is ${known.status}` };
    return {
      data: dataOf(known, p),
      ...(Object.fromEntries(Object.entries(attributes).map(([param, attribute]) => [param, known[attribute]])) as State),
      ...Object.fromEntries(Object.keys(p.properties).map((name) => [`property ${name}`, (known[name] ?? null) as Json])),
    };
  },
  *apply(p, { differences }) {
    const owner = must(yield* projectId(p.project), `project ${p.project}`);
    const differs = new Set(differences.map(({ key }) => key));
    const wanted: Record<string, Json> = {
      ...Object.fromEntries(
        Object.entries(given(p)).flatMap(([param, value]) => (differs.has(param) ? [[attributes[param as Param], value]] : [])),
      ),
      ...Object.fromEntries(Object.entries(p.properties).filter(([name]) => differs.has(`property ${name}`))),
    };
    let known = yield* imageOf(owner, p.image);
    if (!known) {
      const body = { name: p.image, owner, container_format: 'bare', [origin]: sourceOf(p), ...wanted };
      known = yield* call<Image>({ service: 'image', method: 'POST', path: '/v2/images', body });
    } else {
      const all = Object.entries({ ...wanted, ...(differs.has('data') ? { [origin]: sourceOf(p) } : {}) });
      const body = all.map(([name, value]) => ({ op: name in known! ? 'replace' : 'add', path: `/${pointer(name)}`, value }));
      const contentType = 'application/openstack-images-v2.1-json-patch';
      if (body.length > 0) yield* call({ service: 'image', method: 'PATCH', path: `/v2/images/${known.id}`, body, contentType });
    }
    if (!differs.has('data')) return;
    yield* call({ service: 'image', method: 'PUT', path: `/v2/images/${known.id}/file`, data: dataFor(p) });
  },
});

interface Source {
  readonly file?: string;
  readonly url?: string;
  readonly build?: string;
  readonly source?: string;
  readonly sha512?: string;
  readonly sha256?: string;
  readonly fetched?: string;
  readonly format?: string;
}

/** What an image's data is known by: its digest where Glance knows the same, else what it was made from. */
function wantedData(p: Source): string {
  return isKeptAsGiven(p) ? `sha512:${p.sha512!}` : sourceOf(p);
}

/** Glance has a digest of what it keeps. */
function isKeptAsGiven({ sha512, fetched }: Source): boolean {
  return sha512 !== undefined && fetched === undefined;
}

function sourceOf(p: Source): string {
  if (p.source !== undefined) return p.source;
  if (p.sha256 !== undefined) return `sha256:${p.sha256}`;
  return p.sha512 === undefined ? (p.url ?? 'none') : `sha512:${p.sha512}`;
}

function dataOf(image: Image, p: Source): string {
  if (image.status === 'queued') return 'none';
  if (isKeptAsGiven(p)) return `${image.os_hash_algo}:${image.os_hash_value}`;
  return (image[origin] as string | undefined) ?? 'of unknown origin';
}

function dataFor(p: Source): ApiData {
  if (p.file !== undefined) return { file: p.file };
  if (p.build !== undefined) return { command: { script: p.build }, result: 'image' };
  return { command: fetching(p), result: 'image' };
}

// Python's, because every host of an API has it. Where nothing says what the data must be, what vouches for it is TLS.
const fetcher = String.raw`
import hashlib, sys, time, urllib.request
url, algorithm, wanted = sys.argv[1:]
class Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, *answer):
        if not wanted and not answer[-1].startswith("https:"): sys.exit("%s leads to %s, which is not encrypted" % (url, answer[-1]))
        return super().redirect_request(request, *answer)
digest, size, told = hashlib.new(algorithm), 0, 0
with urllib.request.build_opener(Redirects).open(url, timeout=60) as source, open("image", "wb") as target:
    while block := source.read(1 << 20):
        target.write(block); digest.update(block); size += len(block)
        if time.monotonic() - told > 5: told = time.monotonic(); print("fetched %d MB" % (size // 1000000), flush=True)
if wanted and digest.hexdigest() != wanted: sys.exit("%s has the %s %s, and should have %s" % (url, algorithm, digest.hexdigest(), wanted))
`;

function fetching({ url = '', sha256, sha512, fetched, format = 'raw' }: Source): Command {
  const fetch = sh`python3 -I -c ${fetcher} ${url} ${sha256 === undefined ? 'sha512' : 'sha256'} ${sha256 ?? sha512 ?? ''}`;
  if (fetched === undefined) return fetch;
  return sh`${fetch} && ${converting(programs[fetched] ?? fetched, programs[format] ?? format)}`;
}

// Formats can name other files, by which what is in them would come into the image.
const inspector = String.raw`
import json, sys
info = json.load(sys.stdin)
data = info.get("format-specific", {}).get("data", {})
parts = data.get("extents", []) + [child["info"] for child in info.get("children", [])]
others = [name for name in (info.get("backing-filename"), data.get("data-file")) if name is not None]
others += [part["filename"] for part in parts if part["filename"] != "image"]
if others: sys.exit("The image is refused: a part of it is another file, %r" % others[0])
if info.get("encrypted"): sys.exit("The image is refused: it is encrypted")
`;

/**
 * Converts the file image. Whoever made it could have found a fault in qemu-img: so that is run as a user that nobody is and
 * that can read this one file, in namespaces without a network or other processes, with limits. What it leaves is taken
 * only if it is a plain file of that user: a link would be followed.
 */
function converting(from: string, to: string): Command {
  return sh`{
until uid=$(shuf -i 61184-65519 -n 1); ! getent passwd "$uid" >/dev/null; do :; done
mkdir apart && mv image apart/image && chmod 0444 apart/image && chown "$uid" apart && cd apart || exit
confined() {
  prlimit --as=4294967296 --cpu=3600 --fsize=1099511627776 --core=0 unshare --net --pid --fork --kill-child \
    setpriv --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
    env -i PATH="$PATH" MALLOC_ARENA_MAX=2 qemu-img "$@"
}
confined info --output=json -f ${from} image >../info || exit
python3 -I -c ${inspector} <../info || exit
confined convert -f ${from} -O ${to} image converted || exit
cd .. && mv -T apart/converted image || exit
[ "$(stat -c %u:%F image)" = "$uid:regular file" ] || { echo 'The image is refused: its conversion left no file' >&2; exit 1; }
}`;
}

/** What formats are called by qemu-img, where it is otherwise. */
const programs: Readonly<Record<string, string>> = { vhd: 'vpc' };

function given(p: Readonly<Partial<Record<Param, Json>>>): Record<string, Json> {
  return Object.fromEntries((Object.keys(attributes) as Param[]).flatMap((param) => (p[param] === undefined ? [] : [[param, p[param]]])));
}

/** Glance's list leaves out hidden images unless it is asked for these, and community images unless it is asked for all. */
function* imageOf(owner: string, name: string): Talk<Image | undefined> {
  const of = (hidden: boolean) =>
    find<Image>(
      { service: 'image', path: `/v2/images?limit=1000&visibility=all&os_hidden=${hidden}`, list: 'images', where: { owner, name } },
      `the image ${name} in its project`,
    );
  return (yield* of(false)) ?? (yield* of(true));
}

/** A name as part of a JSON pointer. */
function pointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
