import { ask, defineTrial, type Attempt, type Stage, until } from './define.ts';

const service = 'volumev3';

export const volume = defineTrial({
  type: 'volume',
  summary: 'A volume is made from the image, and an empty one.',
  nameParam: 'size',
  params: {
    type: 'object',
    required: ['size'],
    additionalProperties: false,
    properties: { size: { type: 'integer', minimum: 1, description: 'GiB of the empty one, and at least of the other.' } },
  },
  scope: 'cluster',
  needs: ['image'],
  suspects: ['cinder-scheduler', 'cinder-api', 'glance'],
  *attempt({ size }, stage) {
    const { id: imageRef, min_disk } = stage.of('image');
    const image = yield* make(stage, { name: `${stage.name}-image`, size: Math.max(size, min_disk), imageRef });
    const empty = yield* make(stage, { name: `${stage.name}-empty`, size });
    yield* available(stage, image);
    yield* available(stage, empty);
    return { image, empty };
  },
});

function* make(stage: Stage, about: object): Attempt<string> {
  const path = `/v3/${stage.project}/volumes`;
  const made = yield* ask<{ volume: { id: string } }>(stage, { service, method: 'POST', path, body: { volume: about } });
  return made.volume.id;
}

/** Waits until nobody has a volume; throws when that will never be. */
export function* available(stage: Stage, id: string): Attempt<void> {
  const request = { service, method: 'GET', path: `/v3/${stage.project}/volumes/${id}` } as const;
  yield* until<{ volume: { status: string } }>(stage, request, ({ volume: { status } }) => {
    if (status === 'available') return undefined;
    if (status.startsWith('error')) throw new Error(`The volume is ${status}`);
    return `the volume is ${status}`;
  });
}
