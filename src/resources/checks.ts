import { checkCeph, cephQuestions } from '../base/ceph-check.ts';
import type { Command } from '../base/command.ts';
import { sh, withTimeout } from '../base/command.ts';
import type { AnyParams, ApiAnswer, ApiRequest, ParamsOf, ParamsSchema } from './define.ts';

interface Basics {
  readonly type: string;
  readonly summary: string;
  readonly params: ParamsSchema;
  readonly nameParam: string;
}

/** A question about a role's health that a shell answers: exit code 0 means yes; what it prints says why not. Reads only. */
export interface ShellCheck extends Basics {
  readonly via: 'shell';
  /** Like a resource's. */
  readonly slow?: boolean;
  /** Leaves traces for a moment: asked by `verify` only. */
  readonly writes?: (params: AnyParams) => boolean;
  readonly probe: (params: AnyParams) => Command;
}

/** A question to an OpenStack API; undefined means yes, a text says why not. */
export interface ApiCheck extends Basics {
  readonly via: 'api';
  readonly ask: (params: AnyParams) => Generator<ApiRequest, string | undefined, ApiAnswer>;
}

export type Check = ShellCheck | ApiCheck;

function defineCheck<const S extends ParamsSchema>(
  check: Omit<Basics, 'params'> & {
    slow?: boolean;
    params: S;
    probe: (params: ParamsOf<S>) => Command;
    writes?: (params: ParamsOf<S>) => boolean;
  },
): ShellCheck {
  return { ...(check as unknown as Omit<ShellCheck, 'via'>), via: 'shell' };
}

// Debian has bash on every machine (it is essential) and curl on few.
const http = defineCheck({
  type: 'http',
  summary: 'A URL answers with a good status, asked from the host itself.',
  nameParam: 'url',
  params: {
    type: 'object',
    required: ['url'],
    additionalProperties: false,
    properties: {
      url: { type: 'string', pattern: '^http://[^/:]+(:\\d+)?(/.*)?$', description: 'http://HOST:PORT/PATH' },
      status: {
        type: 'string',
        pattern: '^[1-5][0-9]{2}( [1-5][0-9]{2})*$',
        default: '200 300',
        description: 'The good status codes, with blanks between.',
      },
    },
  },
  probe: (p) => {
    const { hostname, port, pathname, search, host } = new URL(p.url);
    const request = `GET ${pathname}${search} HTTP/1.0\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    return withTimeout(
      sh`timeout 10 bash -c 'exec 3<>"/dev/tcp/$1/$2" && printf %s "$3" >&3 && IFS=" " read -r _ status _ <&3 &&
case " $4 " in *" $status "*) ;; *) echo "answered $status"; exit 1 ;; esac' check ${hostname} ${port || '80'} ${request} ${p.status} 2>&1`,
      15,
    );
  },
});

const port = defineCheck({
  type: 'port',
  summary: 'A TCP port of the host accepts connections.',
  nameParam: 'port',
  params: {
    type: 'object',
    required: ['port'],
    additionalProperties: false,
    properties: {
      port: { type: 'integer', minimum: 1, maximum: 65535, description: 'The port.' },
      address: { type: 'string', default: '127.0.0.1', description: 'Where it listens.' },
    },
  },
  probe: (p) => withTimeout(sh`timeout 10 bash -c 'exec 3<>"/dev/tcp/$1/$2"' check ${p.address} ${p.port} 2>&1`, 15),
});

const unit = defineCheck({
  type: 'unit',
  summary: 'A systemd unit is active.',
  nameParam: 'unit',
  params: {
    type: 'object',
    required: ['unit'],
    additionalProperties: false,
    properties: { unit: { type: 'string', description: 'The unit.' } },
  },
  probe: (p) => sh`systemctl is-active -- ${p.unit}`,
});

const run = defineCheck({
  type: 'run',
  slow: true,
  summary: 'A shell command ends with exit code 0. It must change nothing.',
  nameParam: 'run',
  params: {
    type: 'object',
    required: ['run'],
    additionalProperties: false,
    properties: { run: { type: 'string', description: 'POSIX sh, run as root.' } },
  },
  probe: (p) => sh`sh -c ${p.run} 2>&1`,
});

const ceph = defineCheck({
  type: 'ceph',
  slow: true,
  summary: 'The Ceph cluster is as it should be, seen from one of its hosts.',
  nameParam: 'questions',
  params: {
    type: 'object',
    required: ['questions'],
    additionalProperties: false,
    properties: {
      questions: {
        type: 'array',
        minItems: 1,
        items: { type: 'string', enum: cephQuestions },
        description:
          'quorum: the monitors of this host are in it. mgr: one is active, and those of this host are there. osds: all are up and in. pgs: all placement groups are active and clean. object: one is written and read back; asked by `verify` only. may-stop-mon, may-stop-mgr, may-stop-osd: those of this host may be stopped for a moment. current-mon, current-mgr, current-osd: those of this host run the version that is installed.',
      },
    },
  },
  writes: (p) => p.questions.includes('object'),
  probe: (p) => checkCeph(p.questions),
});

// A token that opens nothing is no proof: the catalogue must list the service, as clients will look for it.
const catalog: ApiCheck = {
  type: 'catalog',
  via: 'api',
  summary: 'The administrator gets a token, and the catalogue lists this service.',
  nameParam: 'service',
  params: {
    type: 'object',
    required: ['service'],
    additionalProperties: false,
    properties: { service: { type: 'string', description: "The service's type, e.g. identity." } },
  },
  *ask(params) {
    const { status, body } = yield { service: 'identity', method: 'GET', path: '/v3/auth/catalog' };
    if (status !== 200) return `the catalogue was answered ${status}`;
    const services = (body as { catalog?: { type: string; endpoints: unknown[] }[] }).catalog ?? [];
    const found = services.find((service) => service.type === params['service']);
    if (!found) return `not in the catalogue, which lists ${services.map((service) => service.type).join(', ') || 'nothing'}`;
    return found.endpoints.length > 0 ? undefined : 'in the catalogue without an endpoint';
  },
};

interface Heard {
  readonly binary: string;
  readonly host: string;
  readonly state: string;
}

/** What one of them asks besides. */
interface Further {
  readonly params: Record<string, object>;
  readonly ask: ApiCheck['ask'];
}

/** Whether a service of Nova or Cinder is heard from on a host: both keep the same list. */
function heard(type: string, name: string, example: string, api: string, path: string, further?: Further): ApiCheck {
  return {
    type,
    via: 'api',
    summary: `${name} hears from one of its services on a host.`,
    nameParam: 'service',
    params: {
      type: 'object',
      required: ['service', 'host'],
      additionalProperties: false,
      properties: {
        service: { type: 'string', description: `The service, e.g. ${example}.` },
        host: { type: 'string', description: `The host, as ${name} knows it.` },
        ...further?.params,
      },
    },
    *ask(params) {
      const { status, body } = yield { service: api, method: 'GET', path };
      if (status !== 200) return `the list of services was answered ${status}`;
      const { services } = body as { services: readonly Heard[] };
      const found = services.find(({ binary, host }) => binary === params['service'] && host === params['host']);
      if (!found) return 'it has not announced itself';
      if (found.state !== 'up') return `${name} has not heard from it for a while`;
      return further && (yield* further.ask(params));
    },
  };
}

const computeService = heard('compute-service', 'Nova', 'nova-compute', 'compute', '/v2.1/os-services', {
  params: {
    answers: {
      type: 'boolean',
      default: false,
      description: 'A compute service answers a question that Nova asks it now. Nova counts one that has died as up for a minute.',
    },
  },
  *ask(params) {
    return params['answers'] === true ? yield* answering(String(params['host'])) : undefined;
  },
});
const volumeService = heard('volume-service', 'Cinder', 'cinder-volume', 'volumev3', '/v3/os-services', {
  params: {
    answers: {
      type: 'boolean',
      default: false,
      description: 'It answers a question that Cinder asks it now. Cinder counts one that has died as up for a minute.',
    },
  },
  *ask(params) {
    return params['answers'] === true ? yield* capable(String(params['host'])) : undefined;
  },
});

/** Nova asks a compute service for the uptime of its host when somebody wants to know it: from 2.88 on, in this list. */
function* answering(host: string): Generator<ApiRequest, string | undefined, ApiAnswer> {
  const path = `/v2.1/os-hypervisors/detail?hypervisor_hostname_pattern=${encodeURIComponent(host)}`;
  const { status, body } = yield { service: 'compute', method: 'GET', path, microversion: '2.88' };
  if (status !== 200) return `Nova answered ${status} when it was to ask the service`;
  const { hypervisors } = body as { hypervisors: readonly { service: { host: string }; uptime: string | null }[] };
  const uptime = hypervisors.find(({ service }) => service.host === host)?.uptime ?? null;
  return uptime === null ? 'Nova asks it, and it does not answer' : undefined;
}

/** Cinder asks a volume service what it can do when somebody wants to know it. */
function* capable(host: string): Generator<ApiRequest, string | undefined, ApiAnswer> {
  const { status } = yield { service: 'volumev3', method: 'GET', path: `/v3/capabilities/${encodeURIComponent(host)}` };
  return status === 200 ? undefined : `Cinder asks it, and it does not answer (${status})`;
}

const networkAgent: ApiCheck = {
  type: 'network-agent',
  via: 'api',
  summary: 'Neutron hears from one of its agents on a host.',
  nameParam: 'agent',
  params: {
    type: 'object',
    required: ['agent', 'host'],
    additionalProperties: false,
    properties: {
      agent: { type: 'string', description: 'The agent, e.g. neutron-l3-agent.' },
      host: { type: 'string', description: 'The host, as Neutron knows it.' },
    },
  },
  *ask(params) {
    const { status, body } = yield { service: 'network', method: 'GET', path: '/v2.0/agents' };
    if (status !== 200) return `the list of agents was answered ${status}`;
    const { agents } = body as { agents: readonly { binary: string; host: string; alive: boolean }[] };
    const found = agents.find(({ binary, host }) => binary === params['agent'] && host === params['host']);
    if (!found) return 'it has not announced itself';
    return found.alive ? undefined : 'Neutron has not heard from it for a while';
  },
};

/** All kinds of health check, by the key that a role writes. */
export const checks: ReadonlyMap<string, Check> = new Map(
  [http, port, unit, run, catalog, ceph, computeService, volumeService, networkAgent].map((check) => [check.type, check]),
);
