import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { TestCloud } from '../cli/test-cloud.ts';

export interface Machine {
  readonly id: string;
  readonly address: string;
  readonly network: string;
}

/** How one thing that was asked for once a second was answered; `longest`: seconds without an answer. */
export interface Seen {
  readonly ok: number;
  readonly failed: number;
  readonly longest: number;
}

/** Flavor, image, network and security group that its machines are made of: lines of an inventory. */
export const belongings = `resources:
  images: { tiny: { build: tiny } }
  flavors: { m1.tiny: { vcpus: 1, ram: 128, disk: 1 } }
  networks:
    demo: { project: admin, subnets: { demo4: { cidr: 192.168.10.0/24 } } }
  security_groups:
    probe: { project: admin, ingress: [{ protocol: tcp, ports: 80 }, { protocol: icmp }] }
`;

/** Who has machines in a cloud and asks its APIs all the time, from ctl1: openstack-client.py and openstack-machine.py. */
export class OpenStackClient {
  readonly #cloud: TestCloud;

  constructor(cloud: TestCloud) {
    this.#cloud = cloud;
  }

  /** Boots a machine on a host, and waits until it has said on its console that it is up. */
  async boot(name: string, host: string): Promise<Machine> {
    await this.#give('openstack-machine.py');
    return JSON.parse(
      await this.#cloud.on('ctl1', `python3 /root/openstack-machine.py ${name} ${host} demo ${this.#cloud.name}`),
    ) as Machine;
  }

  /** Asks each API once a second from now on, and pings the machine. */
  async begin({ network, address }: Machine): Promise<void> {
    await this.#give('openstack-client.py');
    await this.#cloud.on('ctl1', `systemd-run -q --unit client python3 /root/openstack-client.py qdhcp-${network} ${address}`);
    await expect.poll(() => this.seen().then((all) => Object.keys(all)), { timeout: 60_000 }).toContain('ping');
  }

  async seen(): Promise<Record<string, Seen>> {
    return JSON.parse(await this.#cloud.on('ctl1', 'cat /root/client.json || echo "{}"')) as Record<string, Seen>;
  }

  async #give(name: string): Promise<void> {
    await this.#cloud.on('ctl1', `echo ${readFileSync(`test/proof/${name}`).toString('base64')} | base64 -d >/root/${name}`);
  }
}
