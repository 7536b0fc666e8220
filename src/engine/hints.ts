import type { StepName } from '../base/event.ts';

/** What a step that failed is known by, and what to do about it. */
interface Cause {
  /** In its message, or in what its command printed. */
  readonly says: RegExp;
  readonly only?: (step: StepName) => boolean;
  readonly hint: (step: StepName) => string;
}

const again = 'then run `cellwise apply` again';

// The first that fits counts: what lies deeper stands further up.
const causes: readonly Cause[] = [
  {
    says: /No space left on device|You don't have enough free space|Errcode: 28|ENOSPC/i,
    hint: ({ host }) => `A disk of ${host} is full. Make room (\`df -h\` there says where), ${again}.`,
  },
  {
    says: /Read-only file system|EROFS/,
    hint: ({ host }) => `A file system of ${host} is mounted read-only, as after an error of its disk: \`dmesg\` there says more.`,
  },
  {
    says: /\/dev\/net\/tun/,
    hint: ({ host }) =>
      `Without it no machine of ${host} has a network. \`modprobe tun\` there, or give the container the device, ${again}.`,
  },
  {
    says: /Could not resolve|Temporary failure (in name resolution|resolving)|Failed to fetch|Unable to locate package|Could not connect to/,
    only: ({ stepType }) => stepType === 'package',
    hint: ({ host }) => `Look at the apt sources of ${host} and at its way to them: \`apt-get update\` there, ${again}.`,
  },
  {
    says: /Could not get lock|dpkg was interrupted/,
    hint: ({ host }) => `Somebody else's apt works on ${host}, or was cut off: \`dpkg --configure -a\` there, ${again}.`,
  },
  {
    says: /Can't connect to (local )?(MySQL|server|MariaDB)|Lost connection to (MySQL|server)|MariaDB does not answer|\(2003,|\(2002,/,
    hint: () =>
      'MariaDB does not answer. `systemctl status mariadb` and `journalctl -u mariadb` on its host say why; when it is back, run `cellwise apply` again.',
  },
  {
    says: /./s,
    only: ({ stepType }) => stepType === 'image',
    hint: ({ name }) =>
      `Look at \`file\` or \`url\` of resources.images, entry ${name}, and whether it can be had from the controller, ${again}.`,
  },
  {
    says: /./s,
    only: ({ stepType }) => stepType === 'service',
    hint: ({ host, name }) => `\`journalctl -u ${name}\` on ${host} says more. Mend the cause, ${again}.`,
  },
];

/** What to do about a step that failed; undefined where nothing better is known than what it says. */
export function hintOf(step: StepName, message: string, output: readonly string[] = []): string | undefined {
  const said = [message, ...output].join('\n');
  return causes.find(({ says, only }) => says.test(said) && (only?.(step) ?? true))?.hint(step);
}
