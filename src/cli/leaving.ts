import type { Event } from '../base/event.ts';
import { secretsOfLeaving } from '../plan/leaving.ts';
import type { Session } from './session.ts';

/** What hosts that leave the cloud take along. Hosts that know the same are named together. */
export function leavingNotes({ cloud: { inventory, roles }, secrets }: Pick<Session, 'cloud' | 'secrets'>): Event[] {
  const known = [...secretsOfLeaving(inventory, roles, secrets.get)].filter(([, names]) => names.length > 0);
  return [...Map.groupBy(known, ([, names]) => names.join(', '))].map(([names, hosts]) => {
    const who = hosts.map(([host]) => host).join(', ');
    const text = `Warning: after leaving the cloud, ${who} can still use what these secrets open: ${names}. Once that is done, run \`cellwise secrets rotate NAME\` for each of them, then \`cellwise apply\`.`;
    return { type: 'note', text };
  });
}
