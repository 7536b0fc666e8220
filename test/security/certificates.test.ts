// The key that signs certificates opens every compute host: no host may ever see it. And what a host says of itself when it
// asks for a certificate is the word of a stranger.
import fc from 'fast-check';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { reveal, Secret } from '../../src/base/secret.ts';
import { compare, type State } from '../../src/base/state.ts';
import { authorityOf } from '../../src/certificates/authority.ts';
import { expand } from '../../src/plan/expand.ts';
import { isUnknown } from '../../src/resources/define.ts';
import { readRoles } from '../../src/roles/role.ts';
import { request } from '../certificates/requests.ts';
import { inventoryOf, small } from '../plan/clouds.ts';
import { resource } from '../resources/converge.ts';

const secret = 'ThatWhichTheKeyIsMadeOf';
const { roles } = readRoles(join(import.meta.dirname, '../../roles'));
const plan = expand(inventoryOf(small), roles, (name) => Secret.of(name, name === 'libvirt.authority' ? secret : `of ${name}`));
const steps = [...plan.nodes.values()].flatMap((node) => (node.kind === 'step' && node.role === 'libvirt' ? [node] : []));
const certificates = steps.filter(({ stepType }) => stepType === 'tls-certificate');

/** What gives a key away: its bytes, however they are written, and what they are made of. */
function formsOf(purpose: string): string[] {
  const { key } = authorityOf(secret, purpose);
  const der = key.export({ format: 'der', type: 'pkcs8' });
  const seed = der.subarray(-32);
  const written = [der, seed].flatMap((bytes) => [bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url')]);
  return [secret, ...written, ...(key.export({ format: 'pem', type: 'pkcs8' }) as string).split('\n').filter((line) => line.length > 30)];
}

/** Every state that a certificate can be found in: each calls for another change. */
const found: readonly (State | null)[] = [
  null,
  { certificate: 'none', names: [], authority: 'none', request },
  { certificate: 'of another authority', names: [], authority: 'none', request },
];

describe('the authority’s key', () => {
  test('both purposes of both compute hosts are looked at', () => {
    expect(certificates.map(({ params }) => params['purpose']).toSorted()).toEqual(['libvirt', 'libvirt', 'qemu', 'qemu']);
    expect(formsOf('libvirt')).not.toEqual(formsOf('qemu'));
  });

  test.each(steps.map((step) => [step.step, step] as const))('is in nothing that is sent for %s', (_, { resource: type, params }) => {
    if (type.via !== 'shell') throw new TypeError('libvirt has no API');
    const probe = 'probeAll' in type ? type.probeAll([params]) : type.probe(params);
    const commands = [probe, ...found.map((before) => type.apply(params, compare(before, type.desired(params))!))];
    const sent = commands.map(({ script, stdin = '' }) => script + (stdin instanceof Uint8Array ? String(stdin) : reveal(stdin)));
    for (const form of [...formsOf('libvirt'), ...formsOf('qemu')]) for (const text of sent) expect(text).not.toContain(form);
  });
});

describe('a host that lies', () => {
  const { type, params } = resource('tls-certificate', certificates[0]!.params);
  if (type.via !== 'shell' || !('probe' in type)) throw new TypeError('tls-certificate looks at one at a time');
  const answer = (out: string) => type.parse({ code: 0, out: Buffer.from(out), err: Buffer.alloc(0) }, params);

  test('500 answers: a state, or unknown, and never an error', () => {
    const sections = fc.array(fc.oneof(fc.constantFrom(request, '', '1'), fc.string({ unit: 'binary' })), { maxLength: 6 });
    const damaged = fc
      .tuple(fc.nat(request.length - 1), fc.string({ maxLength: 3 }))
      .map(([at, by]) => request.slice(0, at) + by + request.slice(at + by.length));
    fc.assert(
      fc.property(
        fc.oneof(
          sections.map((all) => all.join('\0')),
          damaged.map((one) => `${one}\0\0\x001`),
        ),
        (out) => {
          const said = answer(out);
          if (said !== null && !isUnknown(said))
            expect(Object.keys(said).toSorted()).toEqual(['authority', 'certificate', 'names', 'request']);
        },
      ),
      { numRuns: 500 },
    );
  });
});
