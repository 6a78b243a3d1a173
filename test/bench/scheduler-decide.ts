/**
 * How many placements a second the scheduler decides, with no API around it: `npx tsx test/bench/scheduler-decide.ts`.
 */

import type { Pod } from '../../shared/generated/types.ts';
import { Decider } from '../../shared/scheduling/decide.ts';
import { NodeIndex } from '../../shared/scheduling/node-index.ts';
import { defaultPlugins } from '../../shared/scheduling/plugins/index.ts';
import { pendingPod, readyNode } from '../support/scheduling.ts';

const rounds = 20_000;
const zoneSpread: Partial<Pod['spec']> = {
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'a' } },
    },
  ],
};
const cases: [string, number, (i: number) => Pod][] = [
  ['pods of one template', 1, (i) => pendingPod(`p${i}`, undefined, { labels: { app: 'a' }, owner: 'rs' })],
  [
    'pods of 50 templates in turn',
    1,
    (i) => pendingPod(`p${i}`, undefined, { labels: { app: `${i % 50}` }, owner: `rs-${i % 50}` }),
  ],
  [
    'pods of one template spread over zones',
    4,
    (i) => pendingPod(`p${i}`, undefined, { labels: { app: 'a' }, owner: 'rs', spec: zoneSpread }),
  ],
  ['pods that are all different', 40, (i) => pendingPod(`p${i}`, undefined, { labels: { app: `${i}` } })],
];

for (const [what, divide, make] of cases) {
  for (const nodes of [100, 1_000]) {
    const index = new NodeIndex();
    for (let i = 0; i < nodes; i++) {
      const labels = { zone: `z${i % 3}` };
      index.setNode(readyNode(`node-${i}`, { cpu: '64', memory: '256Gi', pods: '1000' }, { labels }));
    }
    const decider = new Decider(index, defaultPlugins, 1);
    const pods = Array.from({ length: rounds / divide }, (_, i) => make(i));
    const entries = pods.flatMap((pod) => index.setPod(pod) ?? []);
    // Time of the processor, so that others on the machine do not count.
    const before = process.cpuUsage();
    for (const info of entries) {
      const { node } = decider.decide(info.shape);
      if (node) index.assume(info, node);
    }
    const { user, system } = process.cpuUsage(before);
    const micros = (user + system) / entries.length;
    console.log(
      `${what}, ${nodes} nodes: ${Math.round(1e6 / micros)} decisions/s, ${micros.toFixed(1)} µs each (of ${entries.length})`,
    );
  }
}
