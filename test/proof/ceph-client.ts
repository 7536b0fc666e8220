import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { TestCloud } from '../cli/test-cloud.ts';

/** What a client has seen so far; `slowest` is an operation's seconds. */
export interface Counts {
  readonly ok: number;
  readonly errors: number;
  readonly wrong: number;
  readonly slowest: number;
}

/** Who writes to a cluster and reads from it all the time, on ctl1, with checksums: ceph-client.py. */
export class CephClient {
  readonly #cloud: TestCloud;

  constructor(cloud: TestCloud) {
    this.#cloud = cloud;
  }

  /** What `ceph` says on a host of the cluster. */
  ceph(words: string): Promise<string> {
    return this.#cloud.on('sto1', `timeout 60 ceph ${words} 2>/dev/null`);
  }

  async begin(): Promise<void> {
    await this.ceph('osd pool create proof 16 16 replicated --autoscale-mode=off');
    await this.ceph('osd pool application enable proof rbd');
    const keyring = await this.ceph("auth get-or-create client.proof mon 'allow r' osd 'allow rw pool=proof'");
    await this.#give('/etc/ceph/ceph.client.proof.keyring', `${keyring}\n`);
    await this.#give('/root/proof.py', readFileSync('test/proof/ceph-client.py', 'utf8'));
    await this.#cloud.on('ctl1', 'systemd-run -q --unit proof python3 /root/proof.py');
    await expect.poll(() => this.counts().then(({ ok }) => ok), { timeout: 60_000 }).toBeGreaterThan(50);
  }

  async counts(): Promise<Counts> {
    return JSON.parse(await this.#cloud.on('ctl1', 'cat /root/proof.json || echo "{}"')) as Counts;
  }

  /** Nothing has gone wrong for it so far. */
  async unharmed(): Promise<Counts> {
    await delay(1500);
    const now = await this.counts();
    expect(now).toMatchObject({ errors: 0, wrong: 0 });
    return now;
  }

  /** It has not died unnoticed: one that does nothing makes no errors. */
  async goesOn(): Promise<void> {
    const { ok } = await this.unharmed();
    await expect.poll(() => this.counts().then((now) => now.ok), { timeout: 60_000 }).toBeGreaterThan(ok);
  }

  async #give(path: string, content: string): Promise<void> {
    const encoded = Buffer.from(content).toString('base64');
    await this.#cloud.on('ctl1', `umask 077; printf %s ${encoded} | base64 -d >${path}`);
  }
}
