import type { ShownHook, ShownStage, StepName } from '../base/event.ts';
import { canonical } from '../base/state.ts';
import type { Hook } from '../inventory/types.ts';
import { worksOf, type HostWork, type Journey, type Stage } from '../plan/journey.ts';
import type { Step } from '../plan/plan.ts';
import type { Entry } from './journal.ts';
import type { Told } from './tell.ts';
import { named } from './work.ts';

/** The mean seconds that steps took when they last changed something, by what they are on whatever host. */
export function durations(entries: Iterable<Entry>): (step: StepName) => number | undefined {
  const sums = new Map<string, { seconds: number; times: number }>();
  for (const entry of entries) {
    if (entry.type !== 'step-changed') continue;
    const sum = sums.get(kindOf(entry)) ?? { seconds: 0, times: 0 };
    sums.set(kindOf(entry), { seconds: sum.seconds + entry.seconds, times: sum.times + 1 });
  }
  return (step) => {
    const sum = sums.get(kindOf(step));
    return sum && sum.seconds / sum.times;
  };
}

function kindOf({ host, role, stepType, name }: StepName): string {
  return canonical([role, stepType, name.replaceAll(host, '')]);
}

/** The stages of a journey as people are shown them: hosts that change alike are told of once. */
export function preview(journey: Journey, told: Told, seconds: (step: Step) => number | undefined): ShownStage[] {
  return journey.stages.map((stage) => {
    const works = worksOf(stage);
    const taken = [...stage.leases, ...works.flatMap(({ leases }) => leases)].map(({ take }) => journey.plan.nodes.get(take) as Step);
    const ids = [...stage.before, ...works.flatMap(({ drain, steps, restore }) => [...drain, ...steps, ...restore]), ...stage.after];
    const leased = new Set([...stage.leases, ...works.flatMap(({ leases }) => leases)].flatMap(({ take, give }) => [take, give]));
    const steps = ids.filter((id) => !leased.has(id)).flatMap((id) => stepAt(journey, id));
    return {
      id: stage.id,
      waves: stage.waves.map(({ canary, works: some }) => ({ canary, hosts: some.map(({ host }) => host) })),
      drain: stage.policy.drain,
      taken: [...new Set(taken.map(({ role, stepType, name }) => `${role}: ${stepType} ${name}`))],
      tried: stage.phase === 'cells' ? triedOn(journey, stage) : [],
      hooks: hooksOf(stage),
      ...changesOf(steps, told),
      ...expected(journey, stage, told, seconds),
    };
  });
}

function hooksOf({ policy: { gates, hooks } }: Stage): ShownHook[] {
  const shown = (some: readonly Hook[], when: ShownHook['when'], gate: boolean) => some.map((hook) => ({ when, gate, ...hook }));
  return [
    ...shown(gates, 'before and after each wave', true),
    ...shown(hooks.beforeWave, 'before each wave', false),
    ...shown(hooks.afterWave, 'after each wave', false),
  ];
}

function triedOn({ plan }: Journey, { waves }: Stage): string[] {
  const canaries = new Set(waves.flatMap(({ canary, works }) => (canary ? works.map(({ host }) => host) : [])));
  const trials = plan.trials.filter(({ canary, host }) => canary && canaries.has(host));
  return [...new Set(trials.map(({ role, stepType }) => `${role}: ${stepType}`))];
}

function stepAt({ plan }: Journey, id: string): Step[] {
  const node = plan.nodes.get(id)!;
  return node.kind === 'step' ? [node] : [];
}

function changesOf(steps: readonly Step[], told: Told): Pick<ShownStage, 'changes' | 'unknown'> {
  const changes = new Map<string, ShownStage['changes'][number] & { hosts: string[] }>();
  const unknown = new Map<string, ShownStage['unknown'][number] & { hosts: string[] }>();
  for (const step of steps) {
    const forecast = told.forecasts.get(step.step);
    const change = told.shown.get(step.step);
    const kind = kindOf(step);
    if (forecast?.kind === 'change' && change) {
      const { action, differences, reasons, irreversible } = change;
      const key = canonical([kind, action, differences, reasons, irreversible]);
      const known = changes.get(key);
      if (known) known.hosts.push(step.host);
      else changes.set(key, { ...named(step), hosts: [step.host], change });
    } else if (forecast?.kind === 'unknown') {
      const because = forecast.because.replaceAll(step.host, 'HOST');
      const known = unknown.get(kind + because);
      const may = step.irreversible || step.resource.irreversible !== undefined;
      if (known) known.hosts.push(step.host);
      else unknown.set(kind + because, { ...named(step), hosts: [step.host], because: forecast.because, irreversible: may });
    }
  }
  return { changes: [...changes.values()], unknown: [...unknown.values()] };
}

/** Hosts of a wave work at the same time, waves one after the other. */
function expected(
  journey: Journey,
  { waves }: Stage,
  told: Told,
  seconds: (step: Step) => number | undefined,
): Pick<ShownStage, 'seconds' | 'untold'> {
  let untold = 0;
  const ofHost = (work: HostWork): number =>
    [...work.drain, ...work.steps, ...work.restore]
      .flatMap((id) => stepAt(journey, id))
      .reduce((sum, step) => {
        const { kind } = told.forecasts.get(step.step) ?? { kind: 'same' };
        if (kind !== 'change' && kind !== 'unknown') return sum;
        const known = seconds(step);
        if (known === undefined) untold += 1;
        return sum + (known ?? 0);
      }, 0);
  const total = waves.reduce((sum, { works }) => sum + Math.max(0, ...works.map(ofHost)), 0);
  return { seconds: Math.round(total), untold };
}
