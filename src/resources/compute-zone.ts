import type { State } from '../base/state.ts';
import { type ApiAnswer, type ApiRequest, defineApiResource, type Found } from './define.ts';

interface Aggregate {
  readonly id: number;
  readonly name: string;
  readonly availability_zone: string | null;
  readonly hosts: readonly string[];
}

/** The availability zone of a compute host: membership in the aggregate that bears the zone's name. */
export const computeZone = defineApiResource({
  type: 'compute-zone',
  summary: 'A compute host is in this availability zone; the zone is made with its first host. Other aggregates are left alone.',
  nameParam: 'host',
  params: {
    type: 'object',
    required: ['host'],
    additionalProperties: false,
    properties: {
      host: { type: 'string', minLength: 1, description: 'The host, as Nova knows it; it must be in its cell already.' },
      zone: { type: 'string', pattern: '^[^:]{1,255}$', description: 'The zone; a host without one is left where it is.' },
    },
  },
  desired: (p): State => (p.zone === undefined ? {} : { zone: p.zone }),
  *look(p): Generator<ApiRequest, Found, ApiAnswer> {
    const answer = yield list;
    if (answer.status !== 200) return { unknown: `Nova answered ${answer.status}` };
    return { zone: zoneOf(aggregates(answer), p.host)?.availability_zone ?? null };
  },
  *apply(p) {
    const all = aggregates(yield list);
    const other = zoneOf(all, p.host);
    if (other) good(yield act(other, { remove_host: { host: p.host } }));
    let zone = all.find((each) => each.availability_zone === p.zone);
    if (!zone) {
      const body = { aggregate: { name: p.zone, availability_zone: p.zone } };
      const made = yield { service: 'compute', method: 'POST', path: '/v2.1/os-aggregates', body };
      // Another host of the zone may have been quicker: then Nova says 409, or 500 if it was a matter of milliseconds.
      const own = made.status < 300 ? (made.body as { aggregate: Aggregate }).aggregate : undefined;
      zone = own ?? aggregates(yield list).find((each) => each.name === p.zone);
      if (!zone) good(made);
    }
    good(yield act(zone!, { add_host: { host: p.host } }));
  },
});

const list: ApiRequest = { service: 'compute', method: 'GET', path: '/v2.1/os-aggregates' };

function act(aggregate: Aggregate, body: unknown): ApiRequest {
  return { service: 'compute', method: 'POST', path: `/v2.1/os-aggregates/${aggregate.id}/action`, body };
}

function aggregates(answer: ApiAnswer): readonly Aggregate[] {
  return (good(answer) as { aggregates: readonly Aggregate[] }).aggregates;
}

/** The aggregate that puts a host in a zone: Nova lets it be in one of these only. */
function zoneOf(all: readonly Aggregate[], host: string): Aggregate | undefined {
  return all.find((each) => each.availability_zone !== null && each.hosts.includes(host));
}

function good(answer: ApiAnswer): unknown {
  if (answer.status >= 300) throw new Error(`Nova answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}
