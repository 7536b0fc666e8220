import type { Event } from '../base/event.ts';
import { secretsOfLeaving } from '../plan/leaving.ts';
import { secretUses } from '../plan/secrets.ts';
import type { Session } from './session.ts';

/** What hosts that leave the cloud take along. Hosts that know the same are named together. */
export function leavingWarnings({ cloud: { inventory, roles }, secrets }: Pick<Session, 'cloud' | 'secrets'>): Event[] {
  const left = secretsOfLeaving(inventory, roles, secrets.get);
  if (left.size === 0) return [];
  const uses = secretUses(inventory, roles);
  const rotates = (name: string): boolean => !uses.get(name)?.params.some(({ permanent }) => permanent);
  const known = [...left].map(([host, names]) => [host, names.filter(rotates)] as const).filter(([, names]) => names.length > 0);
  return [...Map.groupBy(known, ([, names]) => names.join(', '))].map(([names, hosts]) => {
    const who = hosts.map(([host]) => host).join(', ');
    const message = `${who} will still be able to use what these secrets open, having left the cloud: ${names}`;
    const hint = 'Once that is done, run `cellwise secrets rotate NAME` for each of them, then `cellwise apply`.';
    return { type: 'problem', problem: { code: 'secrets-taken-along', severity: 'warning', message, hint } };
  });
}
