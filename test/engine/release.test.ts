import { expect, it } from 'vitest';
import { Invalid } from '../../src/base/problem.ts';
import { forecast } from '../../src/engine/forecast.ts';
import { refuseJump } from '../../src/engine/release.ts';
import type { Found } from '../../src/resources/define.ts';
import { planned } from '../plan/clouds.ts';

// What hosts have, by the state of `package` as a look at them gives it; the plan asks all three for Ceph 20.
const plan = planned({
  storage: {
    on: ['controller', 'compute'],
    steps: [
      { package: ['ceph-base', 'less'], version: '20.2*' },
      { service: 'ceph', watches: ['ceph-base'] },
    ],
  },
});
const well = { 'dpkg database': 'whole', 'service starts': 'free', less: '1.0-1' };

/** What is said of ctl1, cmp1 and cmp2 with these versions; `loaded`: what Cellwise started their service with. */
function problems(versions: readonly (string | undefined)[], loaded: string | null = 'd1'): string[] {
  const found = new Map(
    plan.hosts.flatMap(({ name }, i): [string, Found][] => [
      [`${name}/packages`, versions[i] === undefined ? well : { ...well, 'ceph-base': versions[i] }],
      [`${name}/storage/service ceph`, { enabled: true, state: 'started', loaded }],
    ]),
  );
  try {
    refuseJump(plan, { nodes: [], forecasts: forecast(plan, plan.graph, found), found, ill: new Map(), shown: new Map(), pending: 0 });
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(Invalid);
    return (error as Invalid).problems.map(({ code, message, hint }) => `${code}: ${message}. ${hint!}`);
  }
}

it('an apply does not bring hosts to another series of Ceph: it names them, and the way', () => {
  expect(problems(['18.2.7+ds-1', '18.2.7+ds-1', '18.2.7+ds-1, held'])).toEqual([
    'release-jump: ceph is of version 18.2.7+ds-1 on ctl1, cmp1, cmp2, and the release 2025.1 has 20.2*. `cellwise upgrade plan` shows the way there, `cellwise upgrade run` goes it. An apply would restart all hosts at once.',
  ]);
  expect(problems([undefined, '20.2*', '18.2.7+ds-1'])).toEqual([expect.stringContaining('on cmp2, and')]);
});

it('nor back', () => {
  expect(problems(['20.2*', '20.2*', '21.1.0-1'])).toEqual([
    'release-jump: ceph is of version 21.1.0-1 on cmp2, and the release 2025.1 has 20.2*. Set cloud.release to what the hosts run: there is no way back.',
  ]);
});

it('new hosts, hosts of the same series and other packages are none of its business', () => {
  expect(problems([undefined, '20.2*', '20.1.0-1'])).toEqual([]);
});

it('nor is what was on hosts before Cellwise came', () => {
  expect(problems(['18.2.7+ds-1', '18.2.7+ds-1', '18.2.7+ds-1'], null)).toEqual([]);
});
