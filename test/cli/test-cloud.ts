import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Event, Summary } from '../../src/base/event.ts';
import { openLedger, type Dated } from '../../src/engine/ledger.ts';
import { docker } from '../../src/lab/docker.ts';
import { testRun } from '../machines.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly events: readonly Event[];
}

export interface Applied extends Ran {
  readonly summary: Summary;
  /** Steps that were changed. */
  readonly changed: readonly string[];
}

/** A cloud of its own on a lab of its own, worked on as operators do: by the command, as a process. */
export class TestCloud {
  readonly directory = mkdtempSync(join(tmpdir(), 'cellwise-cloud-'));
  readonly inventory = join(this.directory, 'cloud.yaml');
  readonly name: string;
  readonly #network: string;
  readonly #source: string | undefined;

  /**
   * `network`: the first two bytes of its addresses, e.g. 10.93. It gets Keystone, and what that needs, on the hosts of the
   * lab; or all that `source` says, an inventory.
   */
  constructor(name: string, network: string, source?: string) {
    this.name = `test-${testRun()}-${name}`;
    this.#network = network;
    this.#source = source;
    this.write();
  }

  /** Writes the inventory: that of the lab without its resources, or `source`, elsewhere, with `change` made to its text. */
  write(change: (text: string) => string = (text) => text): void {
    const text = readFileSync(this.#source ?? 'inventories/lab.yaml', 'utf8');
    const bare = text.replace(/^ {2}name: .*\n/m, '$&  services: [keystone]\n').replace(/^resources:\n(?:(?: .*)?\n)*/m, '');
    const own = (this.#source === undefined ? bare : text)
      .replace(/^ {2}name: .*\n/m, `  name: ${this.name}\n`)
      .replaceAll(/\b10\.\d+(?=\.\d+\.\d+)/g, this.#network)
      .replaceAll(/\.cellwise\/[^/]+\//g, '.cellwise/cloud/');
    writeFileSync(this.inventory, change(own));
  }

  async up(): Promise<void> {
    const { code, err } = await this.cellwise('lab', 'up');
    expect(code, err).toBe(0);
  }

  async down(): Promise<void> {
    await this.cellwise('lab', 'down');
    rmSync(this.directory, { recursive: true });
  }

  cellwise(...words: readonly string[]): Promise<Ran> {
    return new Promise((resolve) => {
      execFile(process.execPath, this.#args(words), { maxBuffer: 1 << 28 }, (error, out, err) => {
        const lines = words.includes('--json') ? out.trim().split('\n').filter(Boolean) : [];
        resolve({ code: error ? Number(error.code) : 0, out, err, events: lines.map((line) => JSON.parse(line) as Event) });
      });
    });
  }

  async apply(...words: readonly string[]): Promise<Applied> {
    const ran = await this.cellwise('apply', '--yes', '--json', ...words);
    const changed = ran.events.flatMap((event) => (event.type === 'step-changed' ? [event.step] : []));
    return { ...ran, summary: ran.events.at(-1) as Summary, changed };
  }

  /** Starts a command and leaves it running; its words are lost. */
  start(...words: readonly string[]): ChildProcess {
    return spawn(process.execPath, this.#args(words), { stdio: ['pipe', 'ignore', 'ignore'] });
  }

  container(host: string): string {
    return `cellwise-${this.name}-${host}`;
  }

  /** Runs a shell script on a host, past Cellwise. */
  on(host: string, script: string): Promise<string> {
    return docker(['exec', this.container(host), 'sh', '-c', script]);
  }

  /** What its upgrade has written down so far. */
  facts(): readonly Dated[] {
    return openLedger(join(this.directory, '.cellwise/cloud/upgrade.jsonl')).facts;
  }

  /** A line for each host of each stage of its upgrade: when it was done, and what it took. */
  turns(): string[] {
    return this.facts().flatMap((fact) => (fact.type === 'host-done' ? [`${fact.at} ${fact.stage} ${fact.host}: ${fact.seconds} s`] : []));
  }

  #args(words: readonly string[]): string[] {
    return ['src/cli/main.ts', ...words, '-i', this.inventory];
  }
}
