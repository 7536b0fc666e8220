import { ask, defineTrial } from './define.ts';

interface Service {
  readonly type: string;
  readonly endpoints: readonly { readonly interface: string; readonly region: string }[];
}

export const token = defineTrial({
  type: 'token',
  summary: 'A user logs in and gets a catalogue in which every service has a public endpoint.',
  nameParam: 'region',
  params: {
    type: 'object',
    required: ['region'],
    additionalProperties: false,
    properties: { region: { type: 'string', description: 'The region that endpoints are looked for in.' } },
  },
  scope: 'cluster',
  needs: [],
  suspects: ['memcached', 'mariadb'],
  *attempt({ region }, stage) {
    const { catalog } = yield* ask<{ catalog: readonly Service[] }>(stage, {
      service: 'identity',
      method: 'GET',
      path: '/v3/auth/catalog',
    });
    const mute = catalog.filter(({ endpoints }) => !endpoints.some((each) => each.interface === 'public' && each.region === region));
    if (mute.length > 0) throw new Error(`No public endpoint in ${region}: ${mute.map(({ type }) => type).join(', ')}`);
    return { said: `services: ${catalog.map(({ type }) => type).join(', ')}` };
  },
});
