import { mkdirSync, readFileSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { sh } from '../../src/base/command.ts';
import { Invalid } from '../../src/base/problem.ts';
import { plan as look } from '../../src/engine/run.ts';
import type { Plan, Step } from '../../src/plan/plan.ts';
import type { AnyParams, Found, ShellResource } from '../../src/resources/define.ts';
import { cloudOf, run, stepsOf } from './clouds.ts';
import { localHosts } from './local-shell.ts';

// Real processes on two cores that others work on too.
vi.setConfig({ testTimeout: 30_000 });

/** A service that is a directory: what it was started with, and whether it is well; it takes a moment to be so again. */
function serviceIn(directory: string, host: string, refuse?: ShellResource<AnyParams>['refuse']): ShellResource<AnyParams> {
  const at = (name: string): string => join(directory, host, name);
  return {
    via: 'shell',
    type: 'service',
    summary: '',
    params: { type: 'object', additionalProperties: false, properties: {} },
    nameParam: 'unit',
    desired: () => ({ state: 'started', loaded: 'new' }),
    probe: () => sh`cat ${at('unit')}`,
    parse: ({ code, out }): Found => {
      const [state = '', loaded = ''] = out.toString().trim().split(' ');
      return code === 0 ? { state, loaded } : { unknown: 'nothing is known of it yet' };
    },
    apply: () => sh`
rm -f ${at('well')}
echo ${`restart ${host}`} >>${join(directory, 'log')}
echo 'started new' >${at('unit')}
[ -e ${at('broken')} ] || (sleep 0.5; echo ${`well ${host}`} >>${join(directory, 'log')}; : >${at('well')}) >/dev/null 2>&1 &`,
    ...(refuse ? { refuse } : {}),
  };
}

/** A role of one gated service on each of two hosts, which runs and has to be restarted. */
function cloud(state = 'started', refuse?: ShellResource<AnyParams>['refuse']) {
  const { plan, directory } = cloudOf((dir) => ({
    osd: {
      on: ['compute'],
      steps: [{ file: `${dir}/conf`, content: 'x' }, { service: 'osd' }],
      health: [{ run: `test -e ${dir}/well`, within: '3s' }],
      gate: [{ run: `test ! -e ${dir}/needed || { echo data hangs on it; exit 1; }`, within: '1s' }],
    },
  }));
  for (const host of ['cmp1', 'cmp2']) {
    mkdirSync(join(directory, host), { recursive: true });
    writeFileSync(join(directory, host, 'unit'), `${state} old\n`);
    writeFileSync(join(directory, host, 'well'), '');
  }
  const nodes = new Map(plan.nodes);
  for (const host of ['cmp1', 'cmp2']) {
    const id = `${host}/osd/service osd`;
    const { kind, step, role, stepType, name, watches, gate, place, irreversible, params } = nodes.get(id) as Step;
    const resource = serviceIn(directory, host, refuse);
    nodes.set(id, { kind, step, host, role, stepType, name, watches, gate, place, irreversible, params, resource });
  }
  const changed: Plan = { ...plan, nodes };
  const log = (): string[] => (existsSync(join(directory, 'log')) ? readFileSync(join(directory, 'log'), 'utf8').trim().split('\n') : []);
  return {
    plan: changed,
    log,
    put: (path: string) => {
      writeFileSync(join(directory, path), '');
    },
  };
}

describe('a gate', () => {
  it('lets one host restart at a time, and the next when the first is well again', async () => {
    const { plan, log } = cloud();
    expect((await run(plan, localHosts())).summary).toMatchObject({ changed: 4, failed: 0 });
    const [first, second] = log()[0] === 'restart cmp1' ? ['cmp1', 'cmp2'] : ['cmp2', 'cmp1'];
    expect(log()).toEqual([`restart ${first}`, `well ${first}`, `restart ${second}`, `well ${second}`]);
  });

  it('that stays closed is a failed step: the service runs on as it was, and the other host has its turn', async () => {
    const { plan, log, put } = cloud();
    put('cmp1/needed');
    const ran = await run(plan, localHosts());
    const failed = ran.events.filter((event) => event.type === 'step-failed');
    expect(failed).toMatchObject([
      { step: 'cmp1/osd/service osd', message: expect.stringMatching(/it must not be restarted now: .*data hangs on it/s) as string },
    ]);
    expect(log()).toEqual(['restart cmp2', 'well cmp2']);
  });

  it('a host that does not come back well is a failed step', async () => {
    const { plan, put } = cloud();
    put('cmp2/broken');
    const ran = await run(plan, localHosts());
    expect(stepsOf(ran, 'step-failed')).toEqual(['cmp2/osd/service osd']);
    expect(JSON.stringify(ran.events)).toContain('restarted, and not healthy since: ');
    expect(stepsOf(ran, 'step-blocked')).toEqual([]);
  });

  it('is not asked about what does not run', async () => {
    const { plan, log, put } = cloud('stopped');
    put('cmp1/needed');
    put('cmp2/needed');
    expect((await run(plan, localHosts())).summary).toMatchObject({ changed: 4, failed: 0 });
    expect(log().filter((line) => line.startsWith('restart'))).toHaveLength(2);
  });
});

describe('a change that must not be made', () => {
  const refuse: ShellResource<AnyParams>['refuse'] = (_, { before }) => (before === null ? undefined : '3.2 GiB would be lost');

  it('stops all others before anything is touched, in a plan as in an apply', async () => {
    const { plan, log } = cloud('started', refuse);
    const local = localHosts();
    for (const refused of [
      () => run(plan, local),
      () => look({ plan, open: local.open, command: 'plan', run: 'r1', drain: new AbortController().signal, emit: () => undefined }),
    ]) {
      const error = await refused().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Invalid);
      expect((error as Invalid).problems).toMatchObject([
        { code: 'refused', message: 'cmp1, service: 3.2 GiB would be lost' },
        { code: 'refused', message: 'cmp2, service: 3.2 GiB would be lost' },
      ]);
    }
    expect([...local.shells.values()].flatMap(({ sent }) => sent.filter(({ what }) => what === 'mend'))).toEqual([]);
    expect(log()).toEqual([]);
  });
});
