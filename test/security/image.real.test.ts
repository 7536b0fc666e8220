// Images whose makers want a file of the host that converts them, or the host itself.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiAnswer, ApiResource, AnyParams } from '../../src/resources/define.ts';
import { imageAfter, type Machine, startMachine } from '../machines.ts';
import { resource } from '../resources/converge.ts';

const secret = 'CANARY-OF-ROOT';
const port = 8099;

let machine: Machine;

// A disk with a text in its second half, a file of root, and images that are made of these.
const files = `
set -e
mkdir -p /srv/www/moved.qcow2
printf '${secret}' >/root/secret; truncate -s 1M /root/secret; chmod 600 /root/secret
cd /srv/www
truncate -s 1M disk; printf HONEST | dd of=disk bs=1 seek=600000 conv=notrunc status=none
for format in qcow2 vmdk vdi vpc; do qemu-img convert -f raw -O $format disk honest.$format; done
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized disk stream.vmdk
qemu-img convert -c -f raw -O qcow2 disk compressed.qcow2
backed() { qemu-img create -q -f qcow2 -u -F "$3" -b "$2" "$1" 1M; }
backed backing.qcow2 /root/secret raw
backed nested.qcow2 'json:{"driver": "raw", "file": {"driver": "file", "filename": "/root/secret"}}' raw
backed chain.qcow2 /srv/www/backing.qcow2 qcow2
backed own.qcow2 image raw
backed network.qcow2 nbd://127.0.0.1:${port + 1} raw
qemu-img create -q -f qcow2 -o data_file=data,data_file_raw=on data.qcow2 1M
python3 - <<'END'
import struct
image = bytearray(open('data.qcow2', 'rb').read())
at = image.index(struct.pack('>II', 0x44415441, 4) + b'data')
path = b'/root/secret'
image[at + 4:at + 8] = struct.pack('>I', len(path))
rest = image[at + 16:65536 - 8]
image[at + 8:65536] = path.ljust(16, b'\\0') + rest
open('data.qcow2', 'wb').write(image)
flat = '# Disk DescriptorFile\\nversion=1\\nCID=1\\nparentCID=ffffffff\\ncreateType="monolithicFlat"\\nRW 2048 FLAT "/root/secret" 0\\n#DDB\\nddb.adapterType = "ide"\\n'
open('flat.vmdk', 'w').write(flat)
header = bytearray(open('honest.vmdk', 'rb').read(512))
struct.pack_into('<Q', header, 12, 0)          # no capacity: what it is, its descriptor says
struct.pack_into('<QQ', header, 28, 1, 20)     # which is here
open('embedded.vmdk', 'wb').write(bytes(header) + flat.encode().ljust(20 * 512, b'\\0'))
END
qemu-img create -q --object secret,id=key,data=x -f qcow2 -o encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10 locked.qcow2 1M
`;

beforeAll(async () => {
  const packages = 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends qemu-utils python3';
  machine = await startMachine({ name: 'images', image: await imageAfter('images', packages) });
  const made = await machine.exec(files);
  if (made.code !== 0) throw new Error(made.err);
  await machine.exec(`cd /srv/www && { setsid python3 -m http.server --bind 127.0.0.1 ${port} >/dev/null 2>&1 & } && sleep 1`);
});

afterAll(async () => {
  await machine.stop();
});

/** What the step sends to the host of the image API: fetches an image and converts it. */
function script(file: string): string {
  const fetched = file.split('.')[1]!.replace('vpc', 'vhd');
  const { type, params } = resource('image', { image: 'x', url: `http://127.0.0.1:${port}/${file}`, fetched, format: 'raw' });
  const talk = (type as ApiResource<AnyParams>).apply(params, {
    before: null,
    after: {},
    differences: [{ key: 'data', before: undefined, after: 'x' }],
  });
  let answer: ApiAnswer | undefined;
  for (;;) {
    const { value: request, done } = answer === undefined ? talk.next() : talk.next(answer);
    if (done === true) throw new Error('nothing was sent');
    if (request.data && 'command' in request.data) return request.data.command.script;
    answer = {
      status: 201,
      body: request.list === undefined ? { id: 'i' } : request.path.includes('projects') ? [{ id: 'p', name: 'admin' }] : [],
    };
  }
}

/** Runs it as the engine does, and says what became of it: `same` where the image is the disk, and what it holds of root's file. */
async function converted(file: string, before = ''): Promise<{ code: number; out: string; err: string }> {
  return machine.exec(`${before}
work=$(mktemp -d) && cd "$work" && ( set -e
${script(file)}
) </dev/null >/dev/null; code=$?
[ $code -ne 0 ] || { grep -ao ${secret} image; cmp -s -n 1048576 image /srv/www/disk && echo same; }
rm -rf "$work"; exit $code`);
}

describe('an image that is converted', () => {
  test.each(['honest.qcow2', 'compressed.qcow2', 'honest.vmdk', 'stream.vmdk', 'honest.vdi', 'honest.vpc'])(
    '%s is the disk that it was',
    async (file) => {
      expect(await converted(file)).toEqual({ code: 0, out: 'same\n', err: '' });
    },
  );

  test.each(['backing.qcow2', 'nested.qcow2', 'chain.qcow2', 'data.qcow2', 'flat.vmdk', 'embedded.vmdk'])(
    '%s, by which qemu-img alone reads a file of root, is refused',
    async (file) => {
      const alone = `qemu-img convert -f ${file.split('.')[1]!} -O raw ${file} /tmp/leak && head -c ${secret.length} /tmp/leak`;
      expect(await machine.exec(`cd /srv/www && ${alone}`)).toEqual({ code: 0, out: secret, err: '' });
      const { code, out, err } = await converted(file);
      expect([code, out]).toEqual([1, '']);
      expect(err).toMatch(/a part of it is another file, '.*\/(root\/secret|srv).*'|Could not open '\/root\/secret': Permission denied/);
    },
  );

  test.each([
    ['own.qcow2', "another file, 'image'"],
    ['network.qcow2', "another file, 'nbd:"],
    ['locked.qcow2', 'it is encrypted'],
    // It has no digest, so what vouches for it is TLS alone.
    ['moved.qcow2', 'moved.qcow2/, which is not encrypted'],
  ])('%s is refused', async (file, message) => {
    const { code, out, err } = await converted(file);
    expect([code, out, err]).toEqual([1, '', expect.stringContaining(message)]);
  });
});

describe('whoever takes over qemu-img', () => {
  /** A program in its place, which does this to convert. */
  const instead = (convert: string): string => `
mkdir -p /opt/evil && cat >/opt/evil/qemu-img <<'END'
#!/bin/sh
case $1 in info) echo '{}' ;; *) ${convert} ;; esac
END
chmod 755 /opt/evil/qemu-img; PATH=/opt/evil:$PATH`;

  test('is nobody, can do nothing, and sees nothing', async () => {
    const look = `{ id; grep -E 'Cap|NoNewPrivs' /proc/self/status; env; cat /root/secret; ls ..; } >converted 2>&1; cp converted /var/tmp/looked`;
    const { code } = await converted('honest.qcow2', instead(look));
    const { out } = await machine.exec('cat /var/tmp/looked');
    expect(code).toBe(0);
    expect(out).toMatch(/^uid=6\d{4} gid=6\d{4} groups=6\d{4}\n/);
    expect(out).toMatch(/(Cap\w+:\t0{16}\n){5}NoNewPrivs:\t1\n/);
    expect(out).toMatch(/\nPATH=.*\nMALLOC_ARENA_MAX=2\nPWD=.*\ncat: \/root\/secret: Permission denied\nls: .* Permission denied\n$/);
  });

  test.each([
    ['a link to a file of root', 'ln -s /root/secret converted'],
    ['a hard link to one', 'ln /root/secret converted'],
    ['a pipe', 'mkfifo converted'],
    ['nothing', ':'],
  ])('does not have %s taken for an image', async (_, convert) => {
    const { code, out } = await converted('honest.qcow2', instead(convert));
    expect([code, out]).toEqual([1, '']);
  });

  test('leaves no process behind', async () => {
    const { code } = await converted('honest.qcow2', instead('setsid sleep 4711 & cp image converted'));
    expect([code, (await machine.exec('pgrep -fx "sleep 4711"')).out]).toEqual([0, '']);
  });
});
