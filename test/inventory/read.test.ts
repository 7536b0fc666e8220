import { readFileSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { isError } from '../../src/base/problem.ts';
import { checkSchema, prepareSchema } from '../../src/document/check.ts';
import { allLevels, paramLevels } from '../../src/inventory/inventory.ts';
import { readInventory } from '../../src/inventory/read.ts';

const head = `cloud: {name: lab, release: "2025.1"}
networks: {management: {cidr: 10.77.0.0/24}, data: {cidr: 10.78.0.0/24}}
`;
const controller = '  ctl1: {address: 10.77.0.11, kind: controller}\n';

function problemsOf(text: string): string[] {
  const { problems } = readInventory('inventory.yaml', text);
  return problems.filter(isError).map(({ code, place }) => `${code} ${place!.line}:${place!.column}`);
}

function read(text: string) {
  const { inventory, problems } = readInventory('/etc/cellwise/inventory.yaml', text);
  expect(problems.filter(isError)).toEqual([]);
  return inventory!;
}

describe('inventories that come with Cellwise', () => {
  const files = ['inventories', 'examples'].flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`));

  it.each(files.filter((file) => file.endsWith('.yaml')))('%s is valid and tells editors its schema', (file) => {
    expect(readInventory(file).problems).toEqual([]);
    expect(readFileSync(file, 'utf8')).toMatch(/^# yaml-language-server: \$schema=\.\.\/schemas\/inventory\.schema\.json\n/);
  });

  it('the lab has one controller, two computes and three storage nodes', () => {
    const { inventory } = readInventory('inventories/lab.yaml');
    expect(inventory!.hosts.map(({ name, address }) => `${name} ${address}`)).toEqual([
      'ctl1 10.77.0.11',
      'cmp1 10.77.0.21',
      'cmp2 10.77.0.22',
      'sto1 10.77.0.31',
      'sto2 10.77.0.32',
      'sto3 10.77.0.33',
    ]);
    expect(inventory!.cloud.storage).toBe('ceph');
  });
});

describe('the schema', () => {
  const schema = JSON.parse(readFileSync('schemas/inventory.schema.json', 'utf8')) as Record<string, unknown>;

  it('is JSON Schema 2020-12', () => {
    const ajv = new Ajv2020({
      strict: true,
      allowUnionTypes: true,
      keywords: ['patternErrorMessage'],
      formats: { ipv4: true, cidr: true },
    });
    expect(() => ajv.compile(schema)).not.toThrow();
  });

  it('describes every key', () => {
    const bare: string[] = [];
    const walk = (part: unknown, path: string): void => {
      if (typeof part !== 'object' || part === null) return;
      for (const [key, value] of Object.entries(part)) {
        if (key === 'properties') {
          for (const [name, property] of Object.entries(value as Record<string, { description?: string }>)) {
            if (!property.description) bare.push(`${path}.${name}`);
            walk(property, `${path}.${name}`);
          }
        } else walk(value, `${path}.${key}`);
      }
    };
    walk(schema, '');
    expect(bare).toEqual([]);
  });
});

describe('what is wrong beyond the schema', () => {
  it.each<[name: string, hosts: string, problems: string[], other?: string]>([
    ['a range that counts down', `${controller}  cmp[5-2]: {address: 10.77.0.21, kind: compute}`, ['bad-range 5:3']],
    ['mixed widths', `${controller}  cmp[01-100]: {address: 10.77.0.21, kind: compute}`, ['bad-range 5:3']],
    ['a range too large', `${controller}  cmp[1-900000]: {address: 10.77.0.21, kind: compute}`, ['bad-range 5:3']],
    ['two ranges in a name', `${controller}  r[1-2]c[1-2]: {address: 10.77.0.21, kind: compute}`, ['bad-name 5:3']],
    ['a host twice', `${controller}  ctl1: {address: 10.77.0.12, kind: compute}`, ['yaml-duplicate-key 5:3']],
    [
      'a host twice by ranges',
      `${controller}  cmp[1-3]: {address: 10.77.0.21, kind: compute}\n  cmp2: {address: 10.77.0.31, kind: compute}`,
      ['duplicate-host 6:3'],
    ],
    ['an address twice', `${controller}  cmp[1-5]: {address: 10.77.0.8, kind: compute}`, ['duplicate-address 5:23']],
    [
      'an address twice, in another network',
      `${controller}  c1: {address: 10.77.0.12, addresses: {data: 10.78.0.1}, kind: compute}\n  c2: {address: 10.77.0.13, addresses: {data: 10.78.0.1}, kind: compute}`,
      ['duplicate-address 6:47'],
    ],
    ['an address outside its network', `${controller}  cmp1: {address: 10.79.0.21, kind: compute}`, ['address-outside-network 5:19']],
    [
      'an address in the wrong network',
      `${controller}  cmp1: {address: 10.77.0.21, addresses: {data: 10.77.0.22}, kind: compute}`,
      ['address-outside-network 5:49'],
    ],
    ['addresses that run out', `${controller}  cmp[1-50]: {address: 10.77.0.220, kind: compute}`, ['address-outside-network 5:24']],
    ['the broadcast address', `${controller}  cmp[1-2]: {address: 10.77.0.254, kind: compute}`, ['address-reserved 5:23']],
    ["the network's address", `${controller}  cmp1: {address: 10.77.0.0, kind: compute}`, ['address-reserved 5:19']],
    [
      'an address in a network that is not described',
      `${controller}  cmp1: {address: 10.77.0.21, addresses: {storage: 10.79.0.1}, kind: compute}`,
      ['unknown-network 5:43'],
    ],
    ['a host called as every host calls itself', `${controller}  localhost: {address: 10.77.0.12, kind: compute}`, ['host-name 5:3']],
    ['a host called as a state that is not known', `${controller}  unknown: {address: 10.77.0.12, kind: compute}`, ['host-name 5:3']],
    ['a name too long for DNS', `${controller}  ${'c'.repeat(64)}: {address: 10.77.0.12, kind: compute}`, ['host-name 5:3']],
    ['a range that grows too long', `${controller}  ${'c'.repeat(62)}[9-10]: {address: 10.77.0.12, kind: compute}`, ['host-name 5:3']],
    ['two controllers', '  ctl[1-2]: {address: 10.77.0.11, kind: controller}', ['no-quorum 4:3']],
    ['four controllers', `${controller}  ctl[2-4]: {address: 10.77.0.12, kind: controller}`, ['no-quorum 5:3']],
    [
      'three controllers of which one leaves',
      `${controller}  ctl2: {address: 10.77.0.12, kind: controller}\n  ctl3: {address: 10.77.0.13, kind: controller, state: absent}`,
      ['no-quorum 5:3'],
    ],
    ['no controller', '  cmp1: {address: 10.77.0.11, kind: compute}', ['no-controller 3:1']],
    [
      'only hosts of a cell',
      '  ctl1: {address: 10.77.0.11, kind: cell, cell: c1}\n  cmp1: {address: 10.77.0.12, kind: compute}',
      ['no-controller 3:1'],
      'cells: {c1: {}}\n',
    ],
    [
      'two hosts of a cell',
      `${controller}  cc[1-2]: {address: 10.77.0.12, kind: cell}\n  cmp1: {address: 10.77.0.21, kind: compute}`,
      ['no-quorum 5:3'],
      'cells: {c1: {}}\n',
    ],
    ['an unknown cell', `${controller}  cmp1: {address: 10.77.0.21, kind: compute, cell: cell2}`, ['unknown-cell 5:52']],
    [
      'a compute host without a cell, and cells without a host',
      `${controller}  cmp1: {address: 10.77.0.21, kind: compute}`,
      ['missing-cell 5:3', 'empty-cell 6:9', 'empty-cell 6:16'],
      'cells: {a: {}, b: {}}\n',
    ],
    [
      'a cell without a host',
      `${controller}  cmp1: {address: 10.77.0.21, kind: compute, cell: a}`,
      ['empty-cell 6:16'],
      'cells: {a: {}, b: {}}\n',
    ],
    [
      'a cell that is empty but for its own hosts, and one of the controllers that may be',
      `${controller}  cc1: {address: 10.77.0.12, kind: cell, cell: b}\n  cd1: {address: 10.77.0.13, kind: [cell, compute], cell: c}`,
      ['empty-cell 7:16'],
      'cells: {a: {}, b: {}, c: {}}\n',
    ],
    [
      'a controller in a cell, and one that carries it too',
      '  ctl1: {address: 10.77.0.11, kind: [controller, cell], cell: c1}\n  ctl2: {address: 10.77.0.12, kind: controller, cell: c1}\n  ctl3: {address: 10.77.0.13, kind: [controller, compute], cell: c1}',
      ['cell-host 4:37', 'cell-host 5:55'],
      'cells: {c1: {}}\n',
    ],
    [
      'a disk twice',
      `${controller}  sto1: {address: 10.77.0.31, kind: storage, disks: [/dev/sda, /dev/sdb, /dev/sda]}`,
      ['duplicate-disk 5:74'],
    ],
    ['a disk by a way round', `${controller}  sto1: {address: 10.77.0.31, kind: storage, disks: [/dev/../dev/sda]}`, ['bad-value 5:54']],
    ['names that udev makes', `${controller}  sto1: {address: 10.77.0.31, kind: storage, disks: ['/dev/disk/by-id/nvme-A+B@1=C#2']}`, []],
  ])('%s', (_name, hosts, problems, other = '') => {
    expect(problemsOf(`${head}hosts:\n${hosts}\n${other}`)).toEqual(problems);
  });

  it.each<[name: string, cloud: string, networks: string, problems: string[]]>([
    ['overlapping networks', '', 'management: {cidr: 10.77.0.0/24}, data: {cidr: 10.77.0.128/25}', ['network-overlap 2:59']],
    ['a gateway elsewhere', '', 'management: {cidr: 10.77.0.0/24, gateway: 10.0.0.1}', ['address-outside-network 2:54']],
    ['host bits in a network', '', 'management: {cidr: 10.77.0.7/24}', ['bad-value 2:31']],
    ['a VIP outside', ', vip: {internal: 10.0.0.1}', 'management: {cidr: 10.77.0.0/24}', ['bad-vip 1:55']],
    ["a VIP that is a host's", ', vip: {internal: 10.77.0.11}', 'management: {cidr: 10.77.0.0/24}', ['bad-vip 1:55']],
    ['a VIP that is the broadcast address', ', vip: {internal: 10.77.0.255}', 'management: {cidr: 10.77.0.0/24}', ['bad-vip 1:55']],
    ['an external VIP in no network', ', vip: {external: 192.0.2.1}', 'management: {cidr: 10.77.0.0/24}', ['bad-vip 1:55']],
    ['Ceph without storage hosts', ', storage: ceph', 'management: {cidr: 10.77.0.0/24}', ['no-storage 1:48']],
    ['no management network', '', 'data: {cidr: 10.77.0.0/24}', ['missing-key 2:1']],
  ])('%s', (_name, cloud, networks, problems) => {
    expect(problemsOf(`cloud: {name: lab, release: "2025.1"${cloud}}\nnetworks: {${networks}}\nhosts:\n${controller}`)).toEqual(problems);
  });

  it.each<[ssh: string, problem: string]>([
    ['{sudo: {password: hunter2}}', 'secret-in-clear 4:14'],
    ['{passphrase: hunter2}', 'secret-in-clear 4:7'],
    ['{host_key: nonsense}', 'unknown-key 4:7'],
    ['{bastion: {address: b, host_key: nonsense}}', 'bad-value 4:39'],
  ])('ssh: %s', (ssh, problem) => {
    const text = `${head}hosts: {ctl1: {address: 10.77.0.11, kind: controller}}\nssh: ${ssh}\n`;
    expect(problemsOf(text)).toEqual([problem]);
    expect(JSON.stringify(readInventory('f.yaml', text).problems)).not.toContain('hunter2');
  });

  it.each<[name: string, text: string, warnings: string[]]>([
    [
      'nothing to warn of',
      `cloud: {name: lab, release: "2025.1"}\nnetworks: {management: {cidr: 10.77.0.0/24}}\nhosts:\n${controller}`,
      [],
    ],
    [
      'virtual addresses',
      `cloud: {name: lab, release: "2025.1", vip: {internal: 10.77.0.5, external: 10.77.0.6}}\nnetworks: {management: {cidr: 10.77.0.0/24}}\nhosts:\n${controller}`,
      ['no-effect 1:45', 'no-effect 1:66'],
    ],
    [
      'what is for the interfaces of hosts',
      `cloud: {name: lab, release: "2025.1"}\nnetworks: {management: {cidr: 10.77.0.0/24, vlan: 5, gateway: 10.77.0.1}, storage: {cidr: 10.79.0.0/24, mtu: 9000}}\nhosts:\n${controller}`,
      ['no-effect 2:45', 'no-effect 2:54', 'no-effect 2:105'],
    ],
    ['a network for tunnels that no host is in', `${head}hosts:\n${controller}`, ['no-effect 2:46']],
    [
      'hosts that tunnel over two networks',
      `${head}hosts:\n${controller}  cmp1: {address: 10.77.0.21, addresses: {data: 10.78.0.21}, kind: compute}\n  cmp[2-4]: {address: 10.77.0.22, kind: compute}\n`,
      ['missing-address 4:3', 'missing-address 6:3'],
    ],
    [
      'disks of a compute host',
      `cloud: {name: lab, release: "2025.1"}\nnetworks: {management: {cidr: 10.77.0.0/24}}\nhosts:\n${controller}  cmp[1-2]: {address: 10.77.0.21, kind: compute, disks: [/dev/sdb]}\n`,
      ['no-effect 5:50'],
    ],
    [
      'storage hosts without disks, which makes Ceph files',
      `cloud: {name: lab, release: "2025.1"}\nnetworks: {management: {cidr: 10.77.0.0/24}}\nhosts:\n${controller}  sto[1-3]: {address: 10.77.0.31, kind: storage}\n`,
      ['no-effect 5:3'],
    ],
  ])('warns of %s', (_, text, warnings) => {
    const { inventory, problems } = readInventory('inventory.yaml', text);
    expect(inventory).toBeDefined();
    expect(problems.map(({ code, severity, place }) => [severity, `${code} ${place!.line}:${place!.column}`])).toEqual(
      warnings.map((each) => ['warning', each]),
    );
  });

  it.each<[name: string, hosts: string, problems: string[], networks?: string]>([
    [
      'the gateway’s address on a host',
      '  ctl1: {address: 10.77.0.1, kind: controller}',
      ['duplicate-address 4:19'],
      'management: {cidr: 10.77.0.0/24, gateway: 10.77.0.1}',
    ],
    [
      'a storage host without an address in the storage network',
      `${controller}  sto[1-3]: {address: 10.77.0.31, kind: storage, disks: [/dev/sdb]}`,
      ['missing-address 5:3'],
      'management: {cidr: 10.77.0.0/24}, storage: {cidr: 10.79.0.0/24}',
    ],
    ['Nova’s own name for a zone', `${controller}  cmp1: {address: 10.77.0.21, kind: compute, zone: nova}`, ['bad-value 5:52']],
  ])('refuses %s', (_, hosts, problems, networks = 'management: {cidr: 10.77.0.0/24}') => {
    expect(problemsOf(`cloud: {name: lab, release: "2025.1"}\nnetworks: {${networks}}\nhosts:\n${hosts}\n`)).toEqual(problems);
  });

  it('refuses Ceph without a disk', () => {
    const hosts = `${controller}  sto[1-3]: {address: 10.77.0.31, kind: storage}\n`;
    expect(
      problemsOf(`cloud: {name: lab, release: "2025.1", storage: ceph}\nnetworks: {management: {cidr: 10.77.0.0/24}}\nhosts:\n${hosts}`),
    ).toEqual(['no-storage 5:3']);
  });

  it('refuses a pool that begins after its end', () => {
    const resources = 'resources: {networks: {n: {subnets: {s: {cidr: 203.0.113.0/24, pools: [203.0.113.200-203.0.113.100]}}}}}\n';
    expect(problemsOf(`${head}hosts:\n${controller}${resources}`)).toEqual(['bad-value 5:72']);
  });

  it('hints name the nearest', () => {
    const text = `${head}hosts:\n${controller}  cmp1: {address: 10.77.0.21, kind: compute, cell: cel1}\n`;
    expect(readInventory('f.yaml', text).problems.filter(isError)).toMatchObject([{ hint: 'Did you mean "cell1"?' }]);
  });

  it('a host with a mistake does not hide those of others, nor invent any', () => {
    const hosts = `  ctl[1-2]: {address: 10.77.0.11, kind: controller}\n  ctl3: {adress: 10.77.0.13, kind: controller}\n  cmp1: {address: 10.77.0.12, kind: compute}\n`;
    expect(problemsOf(`${head}hosts:\n${hosts}`)).toEqual(['missing-key 5:3', 'unknown-key 5:10', 'duplicate-address 6:19']);
  });

  it.each([
    ['networks', 'networks: {management: {cidr: x}, data: {cidr: 10.78.0.0/24}}', 'bad-value'],
    ['cells', 'networks: {management: {cidr: 10.77.0.0/24}}\ncells: {c1: 5}', 'wrong-type'],
    ['cloud', 'networks: {management: {cidr: 10.77.0.0/24}}\nparams: []', 'wrong-type'],
  ])('a mistake in %s is told once', (_name, part, code) => {
    const text = `cloud: {name: lab, release: "2025.1"}\n${part}\nhosts: {ctl1: {address: 10.77.0.11, kind: [controller, compute], cell: c9}}\n`;
    const codes = problemsOf(text).map((each) => each.split(' ')[0]);
    expect(codes).toEqual(part.includes('params') ? [code, 'unknown-cell'] : part.includes('cells') ? [code] : [code, 'unknown-cell']);
  });

  it.each(['', '- a', 'text', '~', 'hosts: 5', 'cloud:\nnetworks:\nhosts:\n', 'hosts: {a: ~}', '\0', '{}'])('%j is a problem', (text) => {
    const { inventory, problems } = readInventory('f.yaml', text);
    expect(inventory).toBeUndefined();
    expect(problems.length).toBeGreaterThan(0);
    for (const { place } of problems) expect(place).toMatchObject({ file: 'f.yaml' });
  });
});

describe('what an inventory becomes', () => {
  const inventory = read(`cloud: {name: lab, release: "2025.1"}
networks: {management: {cidr: 10.77.0.0/16}, data: {cidr: 10.78.0.0/16, mtu: 9000}}
ssh: {user: deploy, identity: keys/id, known_hosts: ~/kh, sudo: true, bastion: {address: b, host_key: ssh-ed25519 AAAA}}
params: {nova: {workers: 4}}
cells: {c1: {params: {nova: {workers: 3}}}, c2: {}}
kinds: {compute: {params: {nova: {workers: 2}}}}
hosts:
  ctl1: {address: 10.77.0.11, kind: [controller, storage], disks: [/dev/sdb]}
  cmp[098-102]: {address: 10.77.0.254, addresses: {data: 10.78.0.254}, kind: compute, cell: c1, zone: az1, params: {nova: {workers: 1}}}
  other: {address: 10.77.2.1, kind: compute, cell: c2, state: absent, ssh: {user: root, port: 2222, sudo: false, host_key: [ssh-rsa AAAA]}}
  more: {address: 10.77.2.2, kind: compute, cell: c2}
`);

  it('ranges are counted up in name and addresses, in their place', () => {
    expect(inventory.hosts.map(({ name, address, addresses }) => [name, address, addresses['data']])).toEqual([
      ['ctl1', '10.77.0.11', undefined],
      ['cmp098', '10.77.0.254', '10.78.0.254'],
      ['cmp099', '10.77.0.255', '10.78.0.255'],
      ['cmp100', '10.77.1.0', '10.78.1.0'],
      ['cmp101', '10.77.1.1', '10.78.1.1'],
      ['cmp102', '10.77.1.2', '10.78.1.2'],
      ['other', '10.77.2.1', undefined],
      ['more', '10.77.2.2', undefined],
    ]);
  });

  it('defaults are filled in', () => {
    expect(inventory.cloud).toEqual({ name: 'lab', release: '2025.1', region: 'RegionOne', os: 'debian-13', storage: 'ceph', vip: {} });
    expect(inventory.networks).toEqual({
      management: { name: 'management', cidr: '10.77.0.0/16', mtu: 1500 },
      data: { name: 'data', cidr: '10.78.0.0/16', mtu: 9000 },
    });
    expect(read(`${head}hosts:\n${controller}  cmp1: {address: 10.77.0.2, kind: compute}\n`)).toMatchObject({
      cloud: { storage: 'file' },
      cells: [{ name: 'cell1', params: {} }],
      hosts: [{ name: 'ctl1', state: 'present', disks: [], params: {} }, { cell: 'cell1' }],
    });
  });

  it("a host's ssh settings are the cloud's with its own over them, paths absolute", () => {
    const [first, , , , , , other] = inventory.hosts.map(({ ssh }) => ssh);
    expect(first).toEqual({
      agent: true,
      config: true,
      user: 'deploy',
      sudo: true,
      identity: '/etc/cellwise/keys/id',
      knownHosts: `${homedir()}/kh`,
      hostKeys: [],
      bastion: { address: 'b', hostKeys: ['ssh-ed25519 AAAA'] },
    });
    expect(other).toMatchObject({ user: 'root', port: 2222, sudo: false, hostKeys: ['ssh-rsa AAAA'], identity: '/etc/cellwise/keys/id' });
  });

  it('params have levels, the nearest last, each with its place', () => {
    const levels = paramLevels(inventory, inventory.hosts[1]!);
    const shown = levels.map(({ level, params, path }) => {
      const { line } = inventory.document.place([...path, 'nova', 'workers']);
      return `${level}: ${JSON.stringify(params['nova']!['workers'])} (line ${line})`;
    });
    expect(shown).toEqual(['cloud: 4 (line 4)', 'cell c1: 3 (line 5)', 'kind compute: 2 (line 6)', 'host cmp098: 1 (line 9)']);
  });

  it('each written level is there once, for checks of params', () => {
    const levels = allLevels(inventory);
    expect(levels.map(({ path }) => path.join('.'))).toEqual([
      'params',
      'cells.c1.params',
      'kinds.compute.params',
      'hosts.cmp[098-102].params',
    ]);
    const workers = prepareSchema({ type: 'object', properties: { workers: { type: 'string' } } });
    const problems = levels.flatMap(({ path }) => checkSchema(workers, inventory.document, [...path, 'nova']));
    expect(problems.map(({ code, place }) => `${code} ${place!.line}`)).toEqual([
      'wrong-type 4',
      'wrong-type 5',
      'wrong-type 6',
      'wrong-type 9',
    ]);
  });

  it('is frozen to the bottom, and plain JSON', () => {
    const loose: string[] = [];
    const walk = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      if (!Object.isFrozen(value)) loose.push(path);
      for (const [key, part] of Object.entries(value)) walk(part, `${path}.${key}`);
    };
    walk(inventory, 'inventory');
    expect(loose).toEqual([]);
    expect(JSON.stringify(inventory)).not.toContain('document');
  });
});

describe('fleets', () => {
  const cloud =
    'cloud: {name: lab, release: "2025.1"}\nnetworks: {management: {cidr: 10.0.0.0/8}}\nhosts:\n  ctl1: {address: 10.0.0.1, kind: controller}\n';
  const host = (i: number) => `  cmp${i}:\n    address: 10.1.${i >> 8}.${i & 255}\n    kind: compute\n    zone: az1\n`;

  it.each([
    ['in a range', `${cloud}  cmp[00001-10000]: {address: 10.1.0.0, kind: compute}\n`],
    ['one by one', cloud + Array.from({ length: 10_000 }, (_, i) => host(i)).join('')],
  ])('10,000 hosts %s are read', (_name, text) => {
    const { hosts } = read(text);
    expect(hosts).toHaveLength(10_001);
    expect(new Set(hosts.map(({ address }) => address)).size).toBe(10_001);
  });
});
