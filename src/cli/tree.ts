import { lstatSync, mkdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Invalid } from '../base/problem.ts';

/**
 * A directory that files are written below, whose names others have chosen. No link is followed from it on, and all its
 * directories are ours alone to change: so nothing outside can be written to.
 */
export class Tree {
  readonly #root: string;
  readonly #known = new Set<string>();

  constructor(root: string) {
    mkdirSync(dirname(root), { recursive: true });
    this.#root = root;
    this.#own(root);
  }

  /** Writes a file by its path from the root, over one that is there. */
  write(path: string, content: string | Uint8Array): void {
    const file = join(this.#root, path);
    if (!file.startsWith(`${this.#root}/`)) throw new Invalid([{ code: 'bad-value', message: `${path} leads out of ${this.#root}` }]);
    this.#own(dirname(file));
    const there = lstatSync(file, { throwIfNoEntry: false });
    if (there && !there.isFile()) throw unsafe(file, 'is there, and is no file');
    // Not written over: it may be a hard link to another one.
    if (there) unlinkSync(file);
    writeFileSync(file, content, { flag: 'wx' });
  }

  #own(directory: string): void {
    if (this.#known.has(directory)) return;
    if (directory !== this.#root) this.#own(dirname(directory));
    const stats = lstatSync(directory, { throwIfNoEntry: false });
    if (!stats) mkdirSync(directory);
    else if (!stats.isDirectory()) throw unsafe(directory, 'is a link, or no directory');
    else if (stats.uid !== process.geteuid!() || (stats.mode & 0o002) !== 0) throw unsafe(directory, 'is not yours alone to change');
    this.#known.add(directory);
  }
}

function unsafe(path: string, why: string): Invalid {
  return new Invalid([
    { code: 'unsafe-directory', message: `${path} ${why}`, hint: 'Take another directory, e.g. one that is not there yet.' },
  ]);
}
