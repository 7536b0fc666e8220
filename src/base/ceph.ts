import { createHash, createHmac } from 'node:crypto';
import { sh, withInput, withTimeout, type Command, type Output } from './command.ts';
import { mapText, reveal, text, type Text } from './secret.ts';
import type { Json } from './state.ts';

/** A command to a Ceph cluster as its monitors know it, e.g. {prefix: 'osd pool set', pool: 'vms', var: 'size', val: '3'}. */
export interface CephCall {
  readonly command: { readonly prefix: string; readonly [argument: string]: Json };
  /** What the command line would read from a file: the way for keys. */
  readonly input?: Text;
  /** Who answers; the monitors when left out. */
  readonly to?: 'mgr';
}

export interface CephAnswer {
  /** 0, or the negative error number: -2 is "no such entity". */
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

// The `ceph` command needs a quarter of a second to start. This asks everything in one session.
const session = `
import glob, json, os, sys
asked = json.load(sys.stdin)
try:
    import rados
    conf = {'rados_mon_op_timeout': '30'}
    cluster = rados.Rados(conffile='/etc/ceph/ceph.conf', name='client.admin', conf=conf)
    try:
        cluster.connect(timeout=10)
    except rados.PermissionDeniedError:
        # The administrator's key is being changed: a monitor's own opens the same doors.
        conf['keyring'] = glob.glob('/var/lib/ceph/mon/ceph-*/keyring')[0]
        cluster = rados.Rados(conffile='/etc/ceph/ceph.conf', name='mon.', conf=conf)
        cluster.connect(timeout=10)
except Exception as error:
    sys.exit('Ceph does not answer on this host: %s' % error)
answers = []
# Without its clean-up: librados may abort while the interpreter takes itself apart.
def end(code, said):
    print(said, file=sys.stderr if code else sys.stdout, flush=True)
    os._exit(code)
for call in asked['calls']:
    send = cluster.mgr_command if call['to'] == 'mgr' else cluster.mon_command
    code, out, err = send(json.dumps(call['command']), call['input'].encode())
    answers.append({'code': code, 'out': out.decode(errors='replace'), 'err': err})
    if code and asked['strict']:
        end(1, '%s: %s (%d)' % (call['command']['prefix'], err, code))
end(0, '' if asked['strict'] else json.dumps(answers))
`;

/** Asks a cluster all of these in one session; read the answers by `cephAnswers`. */
export function askCeph(calls: readonly CephCall[]): Command {
  return converse(calls, false);
}

/** Tells a cluster all of these in one session, until one is refused: then the exit code is 1. */
export function tellCeph(calls: readonly CephCall[]): Command {
  return withTimeout(converse(calls, true), 300);
}

function converse(calls: readonly CephCall[], strict: boolean): Command {
  const written = calls.map(
    ({ command, to = 'mon', input = '' }) =>
      text`{"command":${JSON.stringify({ format: 'json', ...command })},"to":"${to}","input":${inJson(input)}}`,
  );
  const program = sh`
command -v ceph >/dev/null || { echo 'Ceph is not installed on this host' >&2; exit 127; }
timeout ${strict ? 300 : 60} python3 -c ${session}`;
  return withInput(program, text`{"strict":${String(strict)},"calls":[${joined(written)}]}`);
}

/** The answers to `askCeph`, one for each call; `unknown` when the cluster did not answer. */
export function cephAnswers(output: Output): readonly CephAnswer[] | { readonly unknown: string } {
  if (output.code !== 0) return { unknown: output.err.toString().trim().split('\n').at(-1) || 'Ceph does not answer on this host' };
  return JSON.parse(output.out.toString()) as CephAnswer[];
}

/**
 * The key by which Ceph knows an entity, made from a secret: rotating the secret makes another key, and one secret is
 * enough for many entities. Ceph's format: type, time of creation, length, the key; in base64.
 */
export function cephxKey(secret: Text, entity: string, cipher: CephCipher = 'aes'): Text {
  const { type, length } = ciphers[cipher];
  const head = Buffer.from([type, 0, 0, 0, 0, 0, 0, 0, 0, 0, length, 0]);
  return mapText(secret, (value) =>
    Buffer.concat([head, createHmac('sha256', value).update(entity).digest().subarray(0, length)]).toString('base64'),
  );
}

/** Ceph knows aes256k from 20.2 on (and 19.2.6); clients before that cannot read such a key. */
export type CephCipher = keyof typeof ciphers;

const ciphers = { aes: { type: 1, length: 16 }, aes256k: { type: 2, length: 32 } } as const;

/** A UUID that a secret gives away nothing by: for ids that must be made once, be the same ever after, and may be seen. */
export function uuidOf(secret: Text): string {
  return uuid(createHash('sha256').update('cellwise uuid ').update(reveal(secret)).digest(), 8);
}

/** RFC 9562, version 5: the same name in the same namespace is always the same UUID. */
export function uuid5(namespace: string, name: string): string {
  const bytes = Buffer.from(namespace.replaceAll('-', ''), 'hex');
  return uuid(createHash('sha1').update(bytes).update(name).digest(), 5);
}

function uuid(bytes: Buffer, version: number): string {
  bytes[6] = (bytes[6]! & 0x0f) | (version << 4);
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}

function inJson(value: Text): Text {
  return typeof value === 'string' ? JSON.stringify(value) : value.map((plain) => JSON.stringify(plain));
}

function joined(texts: readonly Text[]): Text {
  return texts.reduce<Text>((all, each, i) => (i === 0 ? each : text`${all},${each}`), '');
}
