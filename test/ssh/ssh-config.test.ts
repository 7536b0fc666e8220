import { expect, test } from 'vitest';
import { resolve } from '../../src/ssh/ssh-config.ts';

const local = { home: '/home/me', user: 'me', env: { DIR: '/srv', AGENT: '/run/agent' } };

const config = `
Host ctl-*
  HostName %h.example.org
  User deploy
  IdentityFile ~/.ssh/cloud
  IdentityFile %d/.ssh/second-%r
  ProxyJump gate

Host gate
  HostName 192.0.2.1
  Port 2222
  User jump

Host chain
  ProxyJump a@first:22,second.example:2200

Host loop-a
  ProxyJump loop-b
Host loop-b
  ProxyJump loop-a

Host direct
  ProxyJump none
  IdentityAgent none

Match exec "touch /tmp/cellwise-executed"
  User evil

Host *
  User everyone
  Port 22
  UserKnownHostsFile ~/.ssh/kh1 ~/.ssh/kh2
`;

test('what the target leaves open is filled', () => {
  expect(resolve({ name: 'ctl-1' }, config, local)).toMatchObject({
    name: 'ctl-1',
    address: 'ctl-1.example.org',
    user: 'deploy',
    port: 22,
    identities: ['/home/me/.ssh/cloud', '/home/me/.ssh/second-deploy'],
    bastion: { name: 'gate', address: '192.0.2.1', port: 2222, user: 'jump' },
  });
});

test('what the target says wins', () => {
  const target = {
    name: 'ctl-1',
    address: '10.0.0.1',
    user: 'root',
    port: 2022,
    identities: ['/k'],
    bastion: { name: 'mine' },
    knownHosts: ['/kh'],
  };
  expect(resolve(target, config, local)).toEqual({
    ...target,
    userKnownHosts: ['/home/me/.ssh/kh1', '/home/me/.ssh/kh2'],
    unheeded: ['Match exec'],
  });
});

test('jumps are made in their order', () => {
  expect(resolve({ name: 'chain' }, config, local).bastion).toMatchObject({
    name: 'second.example',
    port: 2200,
    bastion: { name: 'first', user: 'a', port: 22 },
  });
});

test('a circle of jumps is refused', () => {
  expect(() => resolve({ name: 'loop-a' }, config, local)).toThrow(/leads in a circle/);
});

test('none means none', () => {
  const target = resolve({ name: 'direct' }, config, local);
  expect(target.bastion).toBeUndefined();
  expect(target.agent).toBeNull();
});

test('an empty configuration changes nothing', () => {
  expect(resolve({ name: 'x' }, '', local)).toEqual({ name: 'x' });
});

const filled = (text: string, name = 'ctl1') => resolve({ name }, text, local);

test('files of host keys, agents and lists of algorithms are taken over', () => {
  const text = `
GlobalKnownHostsFile /etc/site/known \${DIR}/known
UserKnownHostsFile none
RevokedHostKeys %d/revoked
IdentityAgent $AGENT
IdentitiesOnly yes
Ciphers aes256-gcm@openssh.com
MACs -*-etm@openssh.com
`;
  expect(filled(text)).toEqual({
    name: 'ctl1',
    globalKnownHosts: ['/etc/site/known', '/srv/known'],
    userKnownHosts: [],
    revokedHostKeys: ['/home/me/revoked'],
    agent: '/run/agent',
    identitiesOnly: true,
    algorithms: { ciphers: 'aes256-gcm@openssh.com', macs: '-*-etm@openssh.com' },
  });
  expect(filled('IdentityAgent $NONE').agent).toBeNull();
});

test('lists that leave no algorithm are a mistake', () => {
  expect(() => filled('MACs hmac-sha1')).toThrow(/MACs hmac-sha1 leaves none .* hmac-sha2-256-etm@openssh.com/);
});

test.each([
  ['HostKeyAlias x', ['HostKeyAlias']],
  ['Include other', ['Include']],
  ['ProxyCommand none', undefined],
  ['ProxyCommand nc %h %p', ['ProxyCommand']],
  ['ProxyCommand none\nProxyCommand nc %h %p', undefined],
  ['StrictHostKeyChecking ask', undefined],
  ['StrictHostKeyChecking no', ['StrictHostKeyChecking']],
  ['Host other\n  HostKeyAlias x', undefined],
  ['Match exec true\n  User evil', ['Match exec']],
  ['Match final\n  User evil', ['Match final']],
  ['ServerAliveInterval 5\nForwardAgent yes', undefined],
])('%j: what is not heeded is named', (text, unheeded) => {
  expect(filled(text).unheeded).toEqual(unheeded);
  expect(filled(text).user).toBeUndefined();
});

test.each([
  ['Host ctl? !ctl2', 'ctl1', 'ctl2'],
  ['Match host *.example', 'a.example', 'a.exampl'],
  ['Match originalhost ctl1,ctl3 user me', 'ctl3', 'ctl2'],
  ['Match !host ctl1', 'ctl2', 'ctl1'],
  ['Match all', 'x', undefined],
  ['Match user other', undefined, 'ctl1'],
])('%s', (line, hit, miss) => {
  const user = (name: string) => filled(`${line}\n  User found`, name).user;
  if (hit !== undefined) expect(user(hit)).toBe('found');
  if (miss !== undefined) expect(user(miss)).toBeUndefined();
});
