// Expands a fleet and prints what it took, in a process of its own: what does not fit into memory must not end the tests.
import { check } from '../../src/plan/check.ts';
import { readRoles } from '../../src/roles/role.ts';
import { inventoryOf, planOf, step } from './clouds.ts';

const hosts = Number(process.argv[2]);
const clock = [performance.now()];
const lap = <T>(made: T): T => {
  clock.push(performance.now());
  return made;
};

const { roles } = readRoles('roles');
const inventory = lap(
  inventoryOf(`  ctl[1-3]: {address: 10.0.0.11, kind: controller}\n  cmp[00001-${hosts}]: {address: 10.1.0.1, kind: compute}\n`),
);
const plan = lap(planOf(inventory, roles));
const problems = lap(check(plan));
const order = lap(plan.graph.order());
// What a run asks of a host, for some of them.
const entries = lap(
  Array.from(
    { length: 20 },
    (_, i) => step(plan, `cmp${String(i * 400 + 1).padStart(5, '0')}/base/hosts-file`).params['entries'] as unknown[],
  ),
);

console.log(
  JSON.stringify({
    problems: problems.length,
    nodes: plan.nodes.size,
    ordered: order.length,
    entries: entries.map((each) => each.length),
    seconds: clock.slice(1).map((at, i) => Math.round(at - clock[i]!) / 1000),
    megabytes: Math.round(process.memoryUsage().rss / 1e6),
  }),
);
