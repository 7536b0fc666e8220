import { must } from '../resources/openstack.ts';
import { ask, defineTrial, until, type Attempt, type Stage } from './define.ts';
import { becomes } from './storage.ts';

export const attachment = defineTrial({
  type: 'attachment',
  summary: 'A server that runs is given a volume and writes to it; what was written is there when the volume was away and is back.',
  nameParam: 'mebibytes',
  params: {
    type: 'object',
    required: ['mebibytes'],
    additionalProperties: false,
    properties: { mebibytes: { type: 'integer', minimum: 1, description: 'How much is written.' } },
  },
  scope: 'cluster',
  needs: ['volume', 'login'],
  suspects: ['libvirt', 'nova-compute', 'nova-api', 'cinder-api'],
  *attempt({ mebibytes }, stage) {
    const { empty: volume } = stage.of('volume');
    const known = stage.all('server').find(({ name }) => name === stage.of('login').server);
    const path = `/v2.1/servers/${must(known, 'server that lets the user in').id}/os-volume_attachments`;
    const attach = { service: 'compute', method: 'POST', path, body: { volumeAttachment: { volumeId: volume } } } as const;
    // A server sees as the disk's serial number as much of the volume's id as fits.
    const disk = `as=$([ "$(id -u)" = 0 ] || echo sudo); disk=$(grep -l ${volume.slice(0, 20)} /sys/block/*/serial | cut -d/ -f4) && [ -n "$disk" ]`;
    const sum = `$as dd if=/dev/$disk bs=1M count=${mebibytes} 2>/dev/null | sha1sum`;

    yield* ask(stage, attach);
    // The server sees the disk before Cinder knows of it.
    yield* becomes(stage, volume, 'in-use');
    const written = yield* inServer(
      stage,
      `${disk} && $as dd if=/dev/urandom of=/dev/$disk bs=1M count=${mebibytes} 2>/dev/null && sync && ${sum}`,
    );
    yield* taken(stage, path, volume);
    yield* ask(stage, attach);
    yield* becomes(stage, volume, 'in-use');
    const read = yield* inServer(stage, `${disk} && ${sum}`);
    if (read !== written) throw new Error(`What was written has the sum ${written}, and what was read ${read}`);
    yield* taken(stage, path, volume);
    return { said: `${mebibytes} MiB` };
  },
});

/** Takes the volume from the server again. Cinder has it back before Nova has let go of it, and Nova attaches none that it holds. */
function* taken(stage: Stage, path: string, volume: string): Attempt<void> {
  yield* ask(stage, { service: 'compute', method: 'DELETE', path: `${path}/${volume}` });
  yield* becomes(stage, volume, 'available');
  const attachments = { service: 'compute', method: 'GET', path } as const;
  yield* until<{ volumeAttachments: { volumeId: string }[] }>(stage, attachments, ({ volumeAttachments: all }) =>
    all.some(({ volumeId }) => volumeId === volume) ? 'Nova has not let go of the volume' : undefined,
  );
}

/** Runs a command in the server until it succeeds: a disk takes its moment to come. */
function* inServer(stage: Stage, command: string): Attempt<string> {
  const { address, user } = stage.of('login');
  for (;;) {
    const { status, body } = yield { deed: 'login', address, user, command };
    if (status === 0) return String(body).trim();
    yield { deed: 'wait', for: `the server does not see the volume: ${String(body).trim().split('\n').at(-1)!}` };
  }
}
