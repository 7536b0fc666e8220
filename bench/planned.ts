// A whole fleet planned as a graph: inventory and roles read, the steps of all hosts in memory with their edges, checked as
// `plan` checks them, in an order that works. Nothing is printed but how many there are. `node planned.ts INVENTORY`
import { planOf, readCloud } from '../src/cli/cloud.ts';
import { placeholders } from '../src/secrets/placeholders.ts';

const { graph, nodes } = planOf(readCloud({ inventory: process.argv[2]! }), placeholders());
const order = graph.order();
const edges = order.reduce((sum, id) => sum + graph.needs(id).size, 0);
const roles = new Set([...nodes.values()].flatMap((node) => (node.kind === 'ready' ? [node.role] : []))).size;
console.log(`${order.length} nodes, ${edges} edges, ${roles} roles`);
