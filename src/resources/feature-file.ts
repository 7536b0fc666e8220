import { createHash } from 'node:crypto';
import { raw, sh, withInput, type Command } from '../base/command.ts';
import { Invalid } from '../base/problem.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';
import { printFile, putFile } from './put.ts';

const choice = {
  type: 'object',
  required: ['name', 'content'],
  additionalProperties: false,
  properties: { name: { type: 'string', minLength: 1 }, content: { type: 'string' } },
} as const;

/**
 * A file with one of two contents: one for hosts that have a feature, one for those that lack it. Which a host is, is asked
 * of the host and not guessed from what it looks like.
 */
export const featureFile = defineResource({
  type: 'feature-file',
  summary: 'A file whose content depends on whether the host has a feature.',
  nameParam: 'path',
  params: {
    type: 'object',
    required: ['path', 'feature', 'with', 'without'],
    additionalProperties: false,
    properties: {
      path: { type: 'string', pattern: '^/.*[^/]$', description: 'Absolute path.' },
      feature: {
        type: 'string',
        enum: ['kvm', 'openvswitch-module'],
        description: 'kvm: /dev/kvm runs a processor. openvswitch-module: the kernel has this module, or can load it.',
      },
      use: { type: 'string', default: 'auto', description: 'The name of one content, whatever the host has; auto: the one that fits it.' },
      with: { ...choice, description: 'The content for hosts that have the feature, and what to call it.' },
      without: { ...choice, description: 'The content for those that lack it.' },
      required: { type: 'string', default: '', description: 'Why the host must have the feature: without it the plan is refused.' },
      owner: { type: 'string', pattern: '^[^:]+:[^:]+$', default: 'root:root', description: 'USER:GROUP.' },
      mode: { type: 'string', pattern: '^0[0-7]{3}$', default: '0644', description: 'Octal, with a leading zero and in quotes.' },
    },
  },
  desired: (p) => ({
    use: chosen(p),
    owner: p.owner,
    mode: Number.parseInt(p.mode, 8).toString(8),
    ...(p.required === '' ? {} : { feature: 'there' }),
  }),
  refuse: (p, { before }) => (before?.['feature'] === 'missing' ? p.required : undefined),
  probe: (p) => sh`
if ${tests[p.feature]}; then echo with; else echo without; fi
stat -c '%U:%G %a' -- ${p.path} 2>/dev/null && ${printFile(p.path, 1_048_576)} | sha256sum
exit 0`,
  parse: (output, p): Found => {
    const [fitting = '', stat = '', sum = ''] = output.out.toString().split('\n');
    const feature: State = p.required === '' ? {} : { feature: fitting === 'with' ? 'there' : 'missing' };
    if (stat === '') return feature['feature'] === 'missing' ? feature : null;
    const [owner = '', mode = ''] = stat.split(' ');
    const used = [p.with, p.without].find(({ content }) => digest(content) === sum.slice(0, 64));
    const fits = used === p[fitting as 'with' | 'without'];
    return { use: used === undefined ? 'another content' : p.use === 'auto' && fits ? 'auto' : used.name, owner, mode, ...feature };
  },
  apply: (p) => {
    const test = p.use === 'auto' ? tests[p.feature] : raw(p.use === p.with.name ? 'true' : 'false');
    const [first, second] = [p.with.content, p.without.content];
    const content = sh`if ${test}; then head -c ${Buffer.byteLength(first)}; else tail -c ${Buffer.byteLength(second)}; fi`;
    return withInput(putFile({ path: p.path, owner: p.owner, mode: p.mode, content }), first + second);
  },
});

// /dev/kvm may be there and of no use, in a machine that is virtual itself: only a processor that takes a step is proof. It
// has no memory, so it gets no further than that. Perl's base is essential on Debian.
const kvm = String.raw`
open my $kvm, "+<", "/dev/kvm" or exit 1;
ioctl($kvm, 0xAE00, 0) == 12 or exit 1;
my $machine = ioctl $kvm, 0xAE01, 0 or exit 1;
open my $m, "+<&=", 0 + $machine or exit 1;
my $processor = ioctl $m, 0xAE41, 0 or exit 1;
open my $p, "+<&=", 0 + $processor or exit 1;
$SIG{ALRM} = sub { exit 0 };
alarm 2;
exit(defined ioctl($p, 0xAE80, 0) || $!{EFAULT} || $!{ENOEXEC} ? 0 : 1);
`;

const tests: Readonly<Record<'kvm' | 'openvswitch-module', Command>> = {
  kvm: sh`perl -e ${kvm}`,
  'openvswitch-module': raw('{ [ -d /sys/module/openvswitch ] || modprobe -n -q openvswitch 2>/dev/null; }'),
};

function chosen(p: {
  readonly use: string;
  readonly with: { readonly name: string };
  readonly without: { readonly name: string };
}): string {
  const names = ['auto', p.with.name, p.without.name];
  if (names.includes(p.use)) return p.use;
  throw new Invalid([{ code: 'bad-value', message: `feature-file can use ${names.join(', ')}, and not "${p.use}"` }]);
}

function digest(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}
