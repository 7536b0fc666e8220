import { ask, defineTrial } from './define.ts';

interface Image {
  readonly id: string;
  readonly status: string;
  readonly min_disk: number;
  readonly min_ram: number;
  readonly [name: string]: string | number;
}

export const image = defineTrial({
  type: 'image',
  summary: 'A user finds the image that servers are made from.',
  nameParam: 'image',
  params: {
    type: 'object',
    required: ['image'],
    additionalProperties: false,
    properties: { image: { type: 'string', description: 'Its name.' } },
  },
  scope: 'cluster',
  needs: ['token'],
  suspects: ['keystone'],
  *attempt(p, stage) {
    const where = { name: p.image };
    const found = yield* ask<readonly Image[]>(stage, { service: 'image', method: 'GET', path: '/v2/images', list: 'images', where });
    const ready = found.find(({ status }) => status === 'active');
    if (ready) return { id: ready.id, min_disk: ready.min_disk, min_ram: ready.min_ram };
    throw new Error(
      found[0]
        ? `The image ${p.image} is ${found[0].status}`
        : `A user sees no image called ${p.image}: declare it under resources.images (tiny: {build: tiny}), or name another by the param verify_image of glance`,
    );
  },
});
