import { defineTrial } from './define.ts';

export const telemetry = defineTrial({
  type: 'telemetry',
  summary: "Of a host's server there are measures, and its user can read them.",
  nameParam: 'metric',
  params: {
    type: 'object',
    required: ['metric'],
    additionalProperties: false,
    properties: { metric: { type: 'string', description: 'What is measured, e.g. cpu.' } },
  },
  needs: ['server'],
  suspects: ['ceilometer-central', 'gnocchi', 'rabbitmq', 'libvirt'],
  *attempt({ metric }, stage) {
    const path = `/v1/resource/instance/${stage.of('server').id}/metric/${metric}/measures?refresh=true`;
    for (;;) {
      const { status, body } = yield { service: 'metric', method: 'GET', path, auth: stage.user };
      if (status !== 200 && status !== 404) throw new Error(`Gnocchi answered ${status} ${JSON.stringify(body)}`);
      // Of what was never measured it knows nothing. A measure: when, over how many seconds, how much.
      const measures = status === 200 ? (body as readonly (readonly [string, number, number])[]) : [];
      const last = measures.at(-1);
      if (last) return { said: `${metric} ${last[2]} at ${last[0]}` };
      yield { deed: 'wait', for: `${metric} was not measured yet` };
    }
  },
});
