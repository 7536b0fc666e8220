import { ask, defineTrial, type Attempt, type Stage } from './define.ts';
import { becomes } from './storage.ts';

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
    yield* becomes(stage, image, 'available');
    yield* becomes(stage, empty, 'available');
    return { image, empty };
  },
});

function* make(stage: Stage, about: object): Attempt<string> {
  const path = `/v3/${stage.project}/volumes`;
  const made = yield* ask<{ volume: { id: string } }>(stage, { service, method: 'POST', path, body: { volume: about } });
  return made.volume.id;
}
