// What a guest that broke out of QEMU could do with QEMU's key, and who libvirt and QEMU let in: real ones, set up by the role
// libvirt over what clouds of earlier versions left.
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { raw, sh, type Command } from '../../src/base/command.ts';
import { Secret } from '../../src/base/secret.ts';
import { authorityOf } from '../../src/certificates/authority.ts';
import { issue } from '../../src/certificates/issue.ts';
import { expand } from '../../src/plan/expand.ts';
import type { Step } from '../../src/plan/plan.ts';
import { readRoles } from '../../src/roles/role.ts';
import { inventoryOf } from '../plan/clouds.ts';
import { imageAfter, startMachine, type Machine } from '../machines.ts';
import { difference, look, mend, resource, runIn, type Run } from '../resources/converge.ts';

const packages = 'libvirt-daemon-system libvirt-clients qemu-system-x86 openssl';
const install = `apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install ${packages}`;
const { roles } = readRoles(join(import.meta.dirname, '../../roles'));
const address = '10.77.0.21';
const secret = 'what the authorities are made of';
let machine: Machine;
let run: Run;
let steps: readonly Step[];

beforeAll(async () => {
  machine = await startMachine({ image: await imageAfter('libvirt', install), name: 'cmp1' });
  run = runIn(machine.container);
  steps = libvirtOn();
  await done(sh`ip address add ${`${address}/32`} dev lo`);
  await done(former());
}, 600_000);

afterAll(() => machine.stop());

describe('a cloud of an earlier version', () => {
  test('QEMU’s key opened libvirt: the attack is real', async () => {
    expect(await attack('/etc/pki/qemu')).toMatchObject({ code: 0 });
  });

  test('is told to apply before an upgrade, in which instances could not leave its hosts', async () => {
    expect(await run(preflight())).toMatchObject({ code: 1 });
  });
});

describe('after one apply', () => {
  test('everything is as the role says, and the host kept its keys', async () => {
    const before = (await done(raw('sha256sum /etc/pki/libvirt/private/serverkey.pem /etc/pki/qemu/server-key.pem'))).toString();
    await done(raw('cp -rL /etc/pki/qemu /root/stolen'));
    for (const step of steps) {
      const { type, params } = resource(step.stepType, step.params);
      const change = await difference(type, params, run, nobody);
      if (change) await mend(type, params, change, run, nobody);
    }
    for (const step of steps) {
      const { type, params } = resource(step.stepType, step.params);
      expect(await difference(type, params, run, nobody), step.step).toBeNull();
    }
    expect((await done(raw('sha256sum /etc/pki/libvirt/private/serverkey.pem /etc/pki/qemu/server-key.pem'))).toString()).toBe(before);
    expect(await run(preflight())).toMatchObject({ code: 0 });
    // What a saved plan rests on.
    const { type, params } = resource('tls-certificate', steps.find(({ stepType }) => stepType === 'tls-certificate')!.params);
    expect(await look(type, params, run, nobody)).toEqual(await look(type, params, run, nobody));
  });

  test('libvirt’s own certificate opens libvirt, for root alone', async () => {
    expect(await opens('root', '/etc/pki/libvirt')).toMatchObject({ code: 0 });
    expect(await run(raw('runuser -u libvirt-qemu -- cat /etc/pki/libvirt/private/serverkey.pem'))).toMatchObject({ code: 1 });
  });

  test('QEMU’s key does not, neither with its certificate of today nor with that of before', async () => {
    for (const directory of ['/etc/pki/qemu', '/root/stolen']) {
      const { code, err } = await attack(directory);
      expect({ code, err: err.toString() }).toMatchObject({ code: 1, err: expect.stringMatching(/TLS|certificate/i) as string });
    }
  });

  test('nor does a certificate of libvirt’s authority that is not for libvirt', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const authority = authorityOf(secret, 'libvirt');
    const written = (purpose: string): Command => {
      const of = { name: 'cmp1', addresses: [address], days: 100 };
      const pem = issue({ ...authority, purpose }, publicKey, of, new Date());
      return sh`
mkdir -p /root/signed
printf %s ${pem} >/root/signed/server-cert.pem
printf %s ${privateKey.export({ format: 'pem', type: 'pkcs8' }) as string} >/root/signed/server-key.pem`;
    };
    await done(written('libvirt'));
    expect(await attack('/root/signed')).toMatchObject({ code: 0 });
    await done(written('something'));
    expect(await attack('/root/signed')).toMatchObject({ code: 1 });
  });

  test('QEMU moves an instance by its own certificates, and takes none that shows libvirt’s', { timeout: 60_000 }, async () => {
    expect((await migration('/etc/pki/qemu')).trim()).toBe('completed');
    expect((await migration('/etc/pki/libvirt-as-qemu')).trim()).toBe('failed');
  });
});

function preflight(): Command {
  return raw(String(roles.get('libvirt')!.upgrade.checks.preflight[0]!.name));
}

/** The steps of the role on the only compute host of a cloud, without packages. */
function libvirtOn(): Step[] {
  const inventory = inventoryOf(`  cmp1: {address: ${address}, kind: [controller, compute]}\n`, '', ', services: [libvirt]');
  const plan = expand(inventory, roles, (name) => Secret.of(name, secret));
  return [...plan.graph.order()].flatMap((id) => {
    const node = plan.nodes.get(id)!;
    return node.kind === 'step' && node.role === 'libvirt' ? [node] : [];
  });
}

/** As earlier versions of Cellwise left it: one authority for both, and libvirt lets in whoever shows a certificate of it. */
function former(): Command {
  return sh`
set -e
umask 022
mkdir -p /etc/pki/CA /etc/pki/libvirt/private /etc/pki/qemu /etc/systemd/system/libvirtd-tls.socket.d
cd "$(mktemp -d)"
openssl genpkey -algorithm ed25519 -out ca.key
openssl req -x509 -new -key ca.key -subj /CN=Cellwise -days 999 -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -out ca.pem
printf '%s\\n' 'basicConstraints = critical,CA:FALSE' 'keyUsage = critical,digitalSignature' 'extendedKeyUsage = serverAuth,clientAuth' ${`subjectAltName = DNS:cmp1,IP:${address}`} >extensions
signed() {
  openssl genpkey -algorithm ed25519 -out "$1"
  openssl req -new -key "$1" -subj /CN=cmp1 | openssl x509 -req -CA ca.pem -CAkey ca.key -days 825 -extfile extensions -out "$2" 2>/dev/null
  cp ca.pem "$3"
}
signed /etc/pki/libvirt/private/serverkey.pem /etc/pki/libvirt/servercert.pem /etc/pki/CA/cacert.pem
signed /etc/pki/qemu/server-key.pem /etc/pki/qemu/server-cert.pem /etc/pki/qemu/ca-cert.pem
chmod 0600 /etc/pki/libvirt/private/serverkey.pem
chown root:libvirt-qemu /etc/pki/qemu/server-key.pem
chmod 0640 /etc/pki/qemu/server-key.pem
echo 'auth_tls = "none"' >/etc/libvirt/libvirtd.conf
printf '[Socket]\\nListenStream=\\nListenStream=%s:16514\\nFreeBind=true\\n' ${address} >/etc/systemd/system/libvirtd-tls.socket.d/address.conf
systemctl daemon-reload
systemctl stop libvirtd.service
systemctl start libvirtd-tls.socket libvirtd.service`;
}

/** What a guest that broke out, and so is libvirt-qemu, can do with keys that it has: with whatever all may read besides. */
async function attack(directory: string): ReturnType<Run> {
  await done(sh`
rm -rf /tmp/attack && mkdir /tmp/attack
cp /etc/pki/CA/cacert.pem /tmp/attack/cacert.pem
cp ${`${directory}/server-cert.pem`} /tmp/attack/clientcert.pem
cp ${`${directory}/server-key.pem`} /tmp/attack/clientkey.pem
chown -R libvirt-qemu /tmp/attack`);
  return opens('libvirt-qemu', '/tmp/attack');
}

function opens(user: string, directory: string): ReturnType<Run> {
  const path = directory.startsWith('/tmp') ? `?pkipath=${directory}` : '';
  return run(sh`timeout 30 runuser -u ${user} -- virsh -c ${`qemu+tls://${address}/system${path}`} list --all`);
}

/** How a machine's way from one QEMU to another ends that shows what is in a directory: what its monitor says. */
async function migration(directory: string): Promise<string> {
  const output = await done(sh`
mkdir -p /etc/pki/libvirt-as-qemu
cp /etc/pki/qemu/ca-cert.pem /etc/pki/libvirt-as-qemu/ca-cert.pem
cp /etc/pki/libvirt/servercert.pem /etc/pki/libvirt-as-qemu/client-cert.pem
cp /etc/pki/libvirt/private/serverkey.pem /etc/pki/libvirt-as-qemu/client-key.pem
mkfifo /tmp/target; sleep 40 >/tmp/target &
: >/tmp/source.log
qemu-system-x86_64 -nodefaults -display none -S -m 16 -monitor stdio -object tls-creds-x509,id=tls,dir=/etc/pki/qemu,endpoint=server,verify-peer=on -incoming defer </tmp/target >/tmp/target.log 2>&1 &
printf 'migrate_set_parameter tls-creds tls\\nmigrate_incoming tcp:%s:49152\\n' ${address} >/tmp/target
until ss -Hltn 'sport = 49152' | grep -q .; do sleep 0.1; done
end='tatus:[[:space:]]*\\(completed\\|failed\\)'
{
  printf 'migrate_set_parameter tls-creds tls\\nmigrate tcp:%s:49152\\n' ${address}
  until grep -q "$end" /tmp/source.log; do echo 'info migrate'; sleep 0.2; done
  echo quit
} | timeout 30 qemu-system-x86_64 -nodefaults -display none -S -m 16 -monitor stdio -object ${`tls-creds-x509,id=tls,dir=${directory},endpoint=client,verify-peer=on,sanity-check=off`} >/tmp/source.log
sed -n "s/.*$end.*/\\1/p" /tmp/source.log | tail -n 1
kill %1 %2; rm -f /tmp/target`);
  return output.toString();
}

async function done(command: Command): Promise<Buffer> {
  const { code, out, err } = await run(command);
  expect(code, err.toString()).toBe(0);
  return out;
}

function nobody(): never {
  throw new TypeError('The role libvirt asks no API');
}
