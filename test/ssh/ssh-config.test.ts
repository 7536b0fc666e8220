import { expect, test } from 'vitest';
import { resolve } from '../../src/ssh/ssh-config.ts';

const local = { home: '/home/me', user: 'me' };

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
  expect(resolve(target, config, local)).toEqual(target);
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
