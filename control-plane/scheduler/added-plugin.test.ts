import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Namespace } from '../../shared/generated/types.ts';
import type { Plugin } from '../../shared/scheduling/plugin.ts';
import { defaultPlugins } from '../../shared/scheduling/plugins/index.ts';
import { SchedulerScene } from '../../test/support/scheduler-scene.ts';
import { onNode, pendingPod, readyNode, terminating } from '../../test/support/scheduling.ts';

/** A rule that is in no table: a node of a quiet rack takes at most one pod, and warmer nodes are better. */
const quietRacks: Plugin = {
  name: 'QuietRacks',
  scope: 'local',
  events: ['AssignedPodTerminating'],
  prepare: () => ({
    filter({ labels, pods }) {
      const staying = [...pods].filter(({ deleting }) => !deleting);
      if (labels.rack !== 'quiet' || staying.length === 0) return undefined;
      return { plugin: 'QuietRacks', reasons: ['node(s) had to stay quiet'], resolvable: false };
    },
    details: ({ pods }) => [`rack is quiet and runs ${pods.size} pod`],
    score: ({ labels }) => Number(labels.warmth ?? 0),
    weight: 10,
  }),
};

const rack = (name: string, labels: Record<string, string>) => readyNode(name, { pods: '1' }, { labels });
const quiet = readyNode('quiet', {}, { labels: { rack: 'quiet' } });
const placed = onNode(pendingPod('placed'), 'quiet');
let one: SchedulerScene;

beforeEach(() => {
  one = new SchedulerScene({ plugins: [...defaultPlugins, quietRacks] });
  void one.run();
});

afterEach(() => one.stop());

it('an added plugin ranks the nodes beside the others', async () => {
  one.answer = async (bindings) => {
    nodes.push(...bindings.map(({ node }) => node));
    return bindings.map(({ guardVersion }) => ({ ok: true, guardVersion }));
  };
  const nodes: string[] = [];
  await one.show(rack('cold', { warmth: '1' }), rack('hot', { warmth: '99' }), rack('warm', { warmth: '50' }));
  for (const name of ['a', 'b', 'c']) await one.show(pendingPod(name));
  expect(nodes).toEqual(['hot', 'warm', 'cold']);
});

it('the reason of an added plugin is in the condition, the event and the explanation of the pod', async () => {
  await one.show(quiet, placed);
  await one.show(pendingPod('p'));
  await one.clock.advance(1_000);
  const message =
    '0/1 nodes are available: 1 node(s) had to stay quiet. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.';
  expect(one.events).toMatchObject([{ name: 'p', reason: 'FailedScheduling', message }]);
  expect(one.patches).toMatchObject([{ name: 'p', status: { conditions: [{ type: 'PodScheduled', message }] } }]);
  expect(one.scheduler.explain(pendingPod('p')).nodes).toMatchObject([
    { node: 'quiet', fits: false, details: ['rack is quiet and runs 1 pod'] },
  ]);
});

it('a pod that an added plugin rejected is tried again after the events that the plugin declares, and no others', async () => {
  await one.show(quiet, placed);
  await one.show(pendingPod('p'));
  await one.clock.advance(3_000);
  const { decisions } = one;
  const labels = { team: 'red' };
  await one.show({ kind: 'Namespace', metadata: { name: 'default', uid: 'ns', labels } } as unknown as Namespace);
  await one.show(onNode(pendingPod('other', {}, { labels }), 'elsewhere'));
  await one.remove('Pod', 'default/other');
  await one.clock.advance(3_000);
  expect([one.decisions - decisions, one.bound]).toEqual([0, []]);
  await one.show(terminating(placed));
  await one.clock.advance(3_000);
  expect(one.bound).toEqual(['p']);
});

it('no file but the plugin’s own and the table names a plugin', () => {
  const names = defaultPlugins.map(({ name }) => name);
  for (const folder of ['control-plane/scheduler', 'shared/scheduling', 'cli/why']) {
    for (const file of readdirSync(folder).filter((one) => one.endsWith('.ts') && !one.endsWith('.test.ts'))) {
      const text = readFileSync(`${folder}/${file}`, 'utf8');
      expect(
        names.filter((name) => new RegExp(`\\b${name}\\b`).test(text)),
        file,
      ).toEqual([]);
    }
  }
});
