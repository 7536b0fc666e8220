import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Fault, Path } from '../document/document.ts';
import { strayed } from '../document/inside.ts';
import type { Image, Resources } from './types.ts';

/** What is wrong with files whose content is sent: where they lie, and what they hold. `allowed`: other places for them. */
export function checkFiles(inventoryFile: string, { images, keypairs }: Resources, allowed: readonly string[]): Fault[] {
  const places = [dirname(inventoryFile), ...allowed];
  const checked = (section: string, key: string, file: string, more: (path: Path) => Fault[]): Fault[] => {
    const path = ['resources', section, key, 'file'];
    try {
      if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return unreadable(path, `There is no file ${file}`);
      const strays = outside(file, path, places);
      return strays.length > 0 ? strays : more(path);
    } catch (error) {
      return unreadable(path, `${file} cannot be read: ${(error as Error).message}`);
    }
  };
  return [
    ...Object.entries(images).flatMap(([key, image]) =>
      image.file === undefined ? [] : checked('images', key, image.file, (path) => notAnImage(image, image.file!, path)),
    ),
    ...Object.entries(keypairs).flatMap(([key, { file }]) =>
      file === undefined ? [] : checked('keypairs', key, file, (path) => notAKey(file, path)),
    ),
  ];
}

function unreadable(path: Path, message: string): Fault[] {
  return [{ code: 'file-unreadable', path, message, hint: 'It is looked for from the inventory’s directory.' }];
}

function outside(file: string, path: Path, places: readonly string[]): Fault[] {
  const real = strayed(file, places);
  if (real === undefined) return [];
  const hint = `Copy it there, or say --allow-outside ${real} if it is you who wants it sent.`;
  return [{ code: 'file-outside', path, message: `${real} is not below the inventory’s directory`, hint }];
}

/** The format of an image that is given by a file or a URL. */
export function formatOf({ file, url, format }: Pick<Image, 'file' | 'url' | 'format'>): string {
  return format ?? /\.(raw|iso|vmdk|vdi|vhd)$/.exec(file ?? url ?? '')?.[1] ?? 'qcow2';
}

// How files of a format begin (of a vhd with a fixed size: how its last 512 bytes do). A vmdk that is text names other files.
const marks: Readonly<Record<string, readonly (readonly [offset: number, mark: string])[]>> = {
  qcow2: [[0, 'QFI\xfb']],
  iso: [[0x8001, 'CD001']],
  vmdk: [[0, 'KDMV']],
  vdi: [[0x40, '\x7f\x10\xda\xbe']],
  vhd: [
    [0, 'conectix'],
    [-512, 'conectix'],
  ],
};

function notAnImage(image: Image, file: string, path: Path): Fault[] {
  const format = formatOf(image);
  const known = marks[format];
  if (known === undefined) {
    if (image.visibility !== undefined) return [];
    const message = 'Nothing tells a raw image from another file, and an image is public unless something else is said';
    return [{ code: 'not-an-image', path, message, hint: 'Write `visibility: public` or `visibility: private` beside it.' }];
  }
  const { size } = statSync(file);
  const handle = openSync(file, 'r');
  try {
    const holds = known.some(([offset, mark]) => {
      const bytes = Buffer.alloc(mark.length);
      const at = offset < 0 ? size + offset : offset;
      return at >= 0 && readSync(handle, bytes, 0, bytes.length, at) === bytes.length && bytes.toString('latin1') === mark;
    });
    return holds
      ? []
      : [
          {
            code: 'not-an-image',
            path,
            message: `${file} is no image of the format ${format}`,
            hint: 'Give the right file, or its `format`.',
          },
        ];
  } finally {
    closeSync(handle);
  }
}

/** What such a file holds is not quoted: it may be the private key. */
function notAKey(file: string, path: Path): Fault[] {
  const isKey =
    statSync(file).size <= 16384 && /^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?$/.test(readFileSync(file, 'utf8').trim());
  const hint = 'One line: ssh-ed25519 AAAA…. That of a key in the file id_ed25519 is in id_ed25519.pub.';
  return isKey ? [] : [{ code: 'bad-value', path, message: `${file} holds no public key`, hint }];
}
