import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readRoles, type Role } from '../../src/roles/role.ts';
import { complaints, planned, small } from './clouds.ts';

const directory = join(import.meta.dirname, '../../roles');
const { roles } = readRoles(directory);
const yaml = (listens: string) => `role: one\nsummary: x\non: [controller]\nlistens: [${listens}]\nsteps: [{timezone: UTC}]\n`;
const params = {
  port: { type: 'integer', default: 80, description: 'x' },
  on: { type: 'boolean', default: false, description: 'x' },
};

describe('what a role listens on', () => {
  test('is worked out for each of its hosts, with its params there', () => {
    const plan = planned(
      {
        one: {
          yaml: yaml(
            "{port: '{{port}}', from: [anybody], purpose: Web}, {port: 5-7, protocol: udp, network: data, from: [role], purpose: More, encrypted: tls}",
          ),
          params,
        },
      },
      small,
      'params: {one: {port: 81}}\n',
    );
    const one = { host: 'ctl1', role: 'one' };
    expect(plan.listeners()).toEqual([
      { ...one, first: 81, last: 81, protocol: 'tcp', network: 'management', from: ['anybody'], purpose: 'Web' },
      { ...one, first: 5, last: 7, protocol: 'udp', network: 'data', from: ['role'], purpose: 'More', encrypted: 'tls' },
    ]);
  });

  test('may be so on the first host alone, or only where a param says so', () => {
    const listens = '{port: 1, from: [host], purpose: x, once: true}, {port: 2, from: [host], purpose: x, when: on}';
    const hosts = '  ctl[1-3]: {address: 10.77.0.11, kind: controller}\n';
    const open = (more: string) =>
      planned({ one: { yaml: yaml(listens), params } }, hosts, more)
        .listeners()
        .map(({ host, first }) => `${host} ${first}`);
    expect(open('')).toEqual(['ctl1 1']);
    expect(open('params: {one: {on: true}}\n')).toEqual(['ctl1 1', 'ctl1 2', 'ctl2 2', 'ctl3 2']);
  });

  test.each([
    ['a param that is not there', "{port: '{{prot}}', from: [host], purpose: x}", ['template 4:16']],
    ['a port that does not exist', '{port: 7-5, from: [host], purpose: x}', ['template 4:16']],
  ])('%s is told', (_, listens, problems) => {
    expect(complaints(planned({ one: { yaml: yaml(listens), params } })).map((each) => each.replace(/\d+$/, '16'))).toEqual(problems);
  });
});

// The real test of these declarations looks at sockets, in test/cloud/lab.real.test.ts. This one needs no cloud.
describe('every role that comes with Cellwise', () => {
  const ports = (role: Role) => Object.keys(role.params).filter((name) => /(^|_)port$/.test(name));
  const said = (role: Role) => role.listens.map(({ port }) => String(port));
  const templates = (role: Role) => {
    try {
      return readdirSync(join(directory, role.name, 'templates')).map((name) =>
        readFileSync(join(directory, role.name, 'templates', name), 'utf8'),
      );
    } catch {
      return [];
    }
  };

  test.each([...roles.values()].map((role) => [role.name, role] as const))('%s declares what it opens', (_, role) => {
    for (const name of ports(role)) expect(said(role)).toContain(`{{${name}}}`);
    const binds = templates(role).filter((text) =>
      /^(bind[-_](ip|address|port|host)|listeners\.tcp|ListenStream=.|ListenAddress|BindAddress|-l ) ?/m.test(text),
    );
    const asked = role.health.filter(
      ({ type, name }) => type === 'port' || (type === 'http' && String(name).includes('{{host.address}}:{{')),
    );
    const elsewhere = asked.every(({ name }) => /:\{\{[a-z-]+\.[a-z_]+\}\}/.test(String(name)));
    if (binds.length > 0 || role.api?.url.includes('{{port}}') || !elsewhere) expect(said(role)).not.toEqual([]);
  });

  test('an API that the catalogue shows to users is for anybody', () => {
    const open = [...roles.values()].filter(({ api }) => api?.url === 'http://{{host.address}}:{{port}}');
    expect(open.map(({ name }) => name)).toContain('keystone');
    for (const role of open) expect(role.listens[0]).toMatchObject({ port: '{{port}}', from: ['anybody'] });
  });
});
