import { describe, expect, it } from 'vitest';
import type { Pod } from '../../shared/generated/types.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { Admissions } from './admissions.ts';
import { admitPod, type NodeView } from './admit.ts';

const node: NodeView = {
  name: 'node-1',
  labels: { disk: 'ssd' },
  taints: [],
  allocatable: { cpu: '2', memory: '1Gi', 'ephemeral-storage': '1Gi', pods: '10', 'hugepages-2Mi': '4Mi' },
};
const asking = (name: string, requests: Record<string, string>, more: object = {}): Pod =>
  makePod(name, { containers: [container('app', { resources: { requests } })], ...more });
const critical = (name: string, cpu: string): Pod => asking(name, { cpu }, { priority: 2_000_000_000 });

function admissions() {
  const failed: string[] = [];
  const events: string[] = [];
  const made = new Admissions({
    node: () => node,
    event: (pod, _type, reason) => void events.push(`${pod.metadata.name} ${reason}`),
    fail: (pod) => void failed.push(pod.metadata.name),
  });
  return { made, failed, events };
}

describe('a node that admits pods', () => {
  it('accepts everything while the control plane has sent no OwnNode', () => {
    const none = () => expect.unreachable();
    const silent = new Admissions({ node: () => undefined, event: none, fail: none });
    expect(silent.refusal(asking('p', { cpu: '999' }), [])).toBeUndefined();
    expect(silent.mayStart('uid-p')).toBe(true);
  });

  it('names the first resource that is short, and resources before everything else', () => {
    const { made, events } = admissions();
    expect(made.refusal(asking('p', { cpu: '3', memory: '2Gi' }), [])?.reason).toBe('OutOfcpu');
    expect(made.refusal(asking('p', { memory: '2Gi' }, { nodeSelector: { disk: 'hdd' } }), [])?.reason).toBe(
      'OutOfmemory',
    );
    expect(made.refusal(asking('p', {}, { nodeSelector: { disk: 'hdd' } }), [])?.reason).toBe('NodeAffinity');
    expect(events).toEqual(['p OutOfcpu', 'p OutOfmemory', 'p NodeAffinity']);
  });

  it('holds a critical pod back until each of those that make way for it has ended', () => {
    const { made, failed, events } = admissions();
    const others = ['a', 'b', 'c'].map((name) => asking(name, { cpu: '600m' }));
    expect(made.refusal(critical('p', '1200m'), others)).toBeUndefined();
    expect(failed).toHaveLength(2);
    expect(events).toEqual(failed.map((name) => `${name} Preempting`));
    const [first, second] = failed.map((name) => `uid-${name}`);
    expect(made.ended('uid-other')).toEqual([]);
    expect(made.ended(first ?? '')).toEqual([]);
    expect(made.ended(first ?? '')).toEqual([]);
    expect(made.mayStart('uid-p')).toBe(false);
    expect(made.ended(second ?? '')).toEqual(['uid-p']);
    expect(made.mayStart('uid-p')).toBe(true);
    expect(made.ended(second ?? '')).toEqual([]);
  });

  it('starts all critical pods that waited for the same one', () => {
    const { made } = admissions();
    const others = [asking('a', { cpu: '2' })];
    expect(made.refusal(critical('p', '1'), others)).toBeUndefined();
    expect(made.refusal(critical('q', '1'), others)).toBeUndefined();
    expect(made.ended('uid-a')).toEqual(['uid-p', 'uid-q']);
    expect([made.mayStart('uid-p'), made.mayStart('uid-q')]).toEqual([true, true]);
  });

  it('does not wait for a critical pod that was removed', () => {
    const { made } = admissions();
    expect(made.refusal(critical('p', '1'), [asking('a', { cpu: '2' })])).toBeUndefined();
    expect(made.ended('uid-p')).toEqual([]);
    expect(made.ended('uid-a')).toEqual([]);
    expect(made.mayStart('uid-p')).toBe(true);
  });

  it('takes a critical pod at once where it fits', () => {
    const { made, failed, events } = admissions();
    expect(made.refusal(critical('p', '1'), [asking('a', { cpu: '1' })])).toBeUndefined();
    expect([made.mayStart('uid-p'), failed, events]).toEqual([true, [], []]);
  });
});

describe('the room on a node', () => {
  const shortOf = (pod: Pod, others: Pod[], view = node) =>
    admitPod(pod, others, view).shortages.map(({ resource, used }) => [resource, used]);

  it('is the amount of each resource that the admitted pods leave', () => {
    const others = [
      asking('a', { cpu: '1', memory: '512Mi', 'ephemeral-storage': '512Mi', 'hugepages-2Mi': '2Mi' }),
      asking('b', { cpu: '500m', memory: '256Mi', 'ephemeral-storage': '256Mi', 'hugepages-2Mi': '2Mi' }),
    ];
    const rest = { cpu: '500m', memory: '256Mi', 'ephemeral-storage': '256Mi' };
    expect(shortOf(asking('p', rest), others)).toEqual([]);
    expect(
      shortOf(
        asking('p', { cpu: '501m', memory: '257Mi', 'ephemeral-storage': '257Mi', 'hugepages-2Mi': '2Mi' }),
        others,
      ),
    ).toEqual([
      ['cpu', 1_500],
      ['memory', 768 * 2 ** 20],
      ['ephemeral-storage', 768 * 2 ** 20],
      ['hugepages-2Mi', 4 * 2 ** 20],
    ]);
  });

  it('is no matter to a pod that asks for nothing of what is overdrawn', () => {
    const over = [asking('a', { cpu: '9', memory: '9Gi', 'hugepages-2Mi': '9Mi' })];
    expect(shortOf(asking('p', {}), over)).toEqual([]);
    expect(shortOf(asking('p', { cpu: '1m' }), over)).toEqual([['cpu', 9_000]]);
  });

  it('ends with its places, and there are none on a node that says nothing of them', () => {
    const pods = (count: number) => Array.from({ length: count }, (_, i) => asking(`p${i}`, {}));
    expect(shortOf(asking('p', {}), pods(9))).toEqual([]);
    expect(shortOf(asking('p', {}), pods(10))).toEqual([['pods', 10]]);
    const { pods: _, ...silent } = node.allocatable;
    expect(shortOf(asking('p', {}), [], { ...node, allocatable: silent })).toEqual([['pods', 0]]);
  });

  it('has no port twice on one address, whichever container of the other pod has it', () => {
    const open = (name: string, hostPort: number, more: object = {}) =>
      makePod(name, {
        initContainers: [
          container('side', { restartPolicy: 'Always', ports: [{ containerPort: 1, hostPort: hostPort + 1 }] }),
        ],
        containers: [container('app', { ports: [{ containerPort: 80, hostPort, ...more }] })],
      });
    const refused = (pod: Pod, ...others: Pod[]) => admitPod(pod, others, node).refusals.map(({ reason }) => reason);
    expect(refused(open('p', 80), open('q', 90), open('r', 80))).toEqual(['NodePorts']);
    expect(refused(open('p', 80), open('q', 81))).toEqual(['NodePorts']);
    expect(refused(open('p', 80), open('q', 90))).toEqual([]);
  });

  it('names every reason for refusing a pod besides resources', () => {
    const view: NodeView = { ...node, taints: [{ key: 'x', effect: 'NoExecute' }] };
    const port = [container('app', { ports: [{ containerPort: 80, hostPort: 80 }] })];
    const pod = makePod('p', { nodeSelector: { disk: 'hdd' }, containers: port });
    const { refusals, shortages } = admitPod(pod, [makePod('q', { containers: port })], view);
    expect(refusals.map(({ reason }) => reason)).toEqual(['NodeAffinity', 'NodePorts', 'TaintToleration']);
    expect(shortages).toEqual([]);
    const foreign = admitPod({ ...pod, spec: { ...pod.spec, os: { name: 'windows' } } }, [], view);
    expect(foreign.refusals.map(({ reason }) => reason)).toEqual(['PodOSNotSupported']);
  });
});
