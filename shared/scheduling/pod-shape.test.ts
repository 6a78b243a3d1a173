import { describe, expect, it } from 'vitest';
import { pendingPod } from '../../test/support/scheduling.ts';
import type { Pod } from '../generated/types.ts';
import { type PodTerm, shapeKey, shapeOf, termMatches } from './pod-shape.ts';

type Spec = Partial<Pod['spec']>;
type Labels = Record<string, string>;

const withSpec = (spec: Spec, labels: Labels = {}): Pod => pendingPod('p', undefined, { spec, labels });
const container = (more: Partial<Pod['spec']['containers'][number]>) => ({ name: 'c', image: 'app:1', ...more });
const selector = (app: string) => ({ matchLabels: { app } });

function anti(term: Record<string, unknown>, labels: Labels = {}): PodTerm {
  const podAntiAffinity = {
    requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone', labelSelector: selector('x'), ...term }],
  };
  const [found] = shapeOf(withSpec({ affinity: { podAntiAffinity } }, labels)).antiAffinity.required;
  if (!found) throw new Error('no term');
  return found;
}

/** Whether the term selects a pod of these labels and namespace. */
function selectsPod(term: PodTerm, labels: Labels, namespace = 'default', ofNamespace: Record<string, Labels> = {}) {
  return termMatches(term, shapeOf(pendingPod('q', undefined, { labels, namespace })), (name) => ofNamespace[name]);
}

describe('the shape of a pod', () => {
  it('is one for pods of a template, whatever their names', () => {
    const [a, b] = ['a', 'b'].map((name) => pendingPod(name, { cpu: '1' }, { labels: { app: 'x' }, owner: 'rs' }));
    expect(a && shapeKey(a)).toBe(b && shapeKey(b));
  });

  it.each<[string, Pod]>([
    ['namespace', pendingPod('p', undefined, { namespace: 'other' })],
    ['labels', pendingPod('p', undefined, { labels: { app: 'y' } })],
    ['controller', pendingPod('p', undefined, { owner: 'rs' })],
    ['requests', pendingPod('p', { cpu: '100m', memory: '65Mi' })],
    ['requests as a whole', withSpec({ resources: { requests: { cpu: '1' } } })],
    ['overhead', withSpec({ overhead: { cpu: '1' } })],
    ['node selector', withSpec({ nodeSelector: { disk: 'ssd' } })],
    ['affinity', withSpec({ affinity: { nodeAffinity: {} } })],
    ['tolerations', withSpec({ tolerations: [{ operator: 'Exists' }] })],
    [
      'spread',
      withSpec({
        topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' }],
      }),
    ],
    ['images', withSpec({ containers: [container({ image: 'app:2' })] })],
    ['host ports', pendingPod('p', undefined, { ports: [{ hostPort: 80, containerPort: 80 }] })],
    ['init containers', withSpec({ initContainers: [container({})] })],
    ['image of an init container', withSpec({ initContainers: [container({ image: 'init:2' })] })],
    ['priority', withSpec({ priority: 7 })],
    ['preemption policy', withSpec({ preemptionPolicy: 'Never' })],
  ])('differs for pods of another %s', (_, pod) => {
    expect(shapeKey(pod)).not.toBe(shapeKey(pendingPod('p')));
    const init = withSpec({ initContainers: [container({ image: 'init:1' })] });
    expect(shapeKey(pod)).not.toBe(shapeKey(init));
  });

  it('differs by ports of the container only where they are ports of the node', () => {
    const port = (containerPort: number, hostNetwork: boolean) =>
      shapeKey(
        pendingPod('p', undefined, { spec: { containers: [container({ ports: [{ containerPort }] })], hostNetwork } }),
      );
    expect(port(80, false)).toBe(port(81, false));
    expect(port(80, true)).not.toBe(port(81, true));
  });

  it('has all images, of init containers too, and counts a pod that asks for nothing as 100m and 200Mi', () => {
    const images = shapeOf(withSpec({ initContainers: [container({ image: 'init:1' })], containers: [container({})] }));
    expect(images.images).toEqual(['init:1', 'app:1']);
    expect(images).toMatchObject({ nonZeroCpuMillis: 100, nonZeroMemoryBytes: 209_715_200 });
    expect(images.requests).toMatchObject({ cpuMillis: 0, memoryBytes: 0 });
    const asked = shapeOf(pendingPod('p', { cpu: '1m', memory: '1' }));
    expect(asked).toMatchObject({ nonZeroCpuMillis: 1, nonZeroMemoryBytes: 1 });
    expect(shapeOf(withSpec({ containers: [{ name: 'c' }] })).images).toEqual([]);
  });

  it('spreads pods with their controller’s others, else with those of equal labels and namespace, else not at all', () => {
    const group = (labels: Labels, more: { owner?: string; namespace?: string } = {}) =>
      shapeOf(pendingPod('p', undefined, { labels, ...more })).spreadGroup;
    expect(group({ a: '1' }, { owner: 'rs' })).toBe(group({ a: '2' }, { owner: 'rs' }));
    const orders = ['abc', 'acb', 'bac', 'bca', 'cab', 'cba'].map((order) =>
      Object.fromEntries([...order].map((key) => [key, '1'])),
    );
    expect(new Set(orders.map((labels) => group(labels))).size).toBe(1);
    expect(group({ a: '1', b: '2' })).not.toBe(group({ a: '1', b: '3' }));
    expect(group({ a: '1' })).not.toBe(group({ a: '1' }, { namespace: 'other' }));
    expect(group({})).toBeUndefined();
  });

  it('takes required and preferred terms of affinity and anti-affinity, each with its weight', () => {
    const terms = (key: string, weight: number) => ({
      requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: key, labelSelector: selector('x') }],
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight, podAffinityTerm: { topologyKey: `${key}-soft`, labelSelector: selector('y') } },
      ],
    });
    const { affinity, antiAffinity } = shapeOf(
      withSpec({ affinity: { podAffinity: terms('near', 3), podAntiAffinity: terms('far', 5) } }),
    );
    const brief = ({ required, preferred }: typeof affinity) => [
      required.map(({ topologyKey }) => topologyKey),
      preferred.map(({ weight, term }) => [weight, term.topologyKey]),
    ];
    expect(brief(affinity)).toEqual([['near'], [[3, 'near-soft']]]);
    expect(brief(antiAffinity)).toEqual([['far'], [[5, 'far-soft']]]);
    expect(shapeOf(withSpec({}))).toMatchObject({ affinity: { required: [], preferred: [] }, spread: [] });
    const soft = { preferredDuringSchedulingIgnoredDuringExecution: [] };
    expect(shapeOf(withSpec({ affinity: { podAffinity: soft } })).affinity).toEqual({ required: [], preferred: [] });
  });
});

describe('a term on other pods', () => {
  it('selects its own namespace when it names none', () => {
    expect(selectsPod(anti({}), { app: 'x' })).toBe(true);
    expect(selectsPod(anti({}), { app: 'y' })).toBe(false);
    expect(selectsPod(anti({}), { app: 'x' }, 'other')).toBe(false);
    expect(selectsPod(anti({ namespaces: [] }), { app: 'x' })).toBe(true);
  });

  it('selects the namespaces that it names, and not of its own beside them', () => {
    const term = anti({ namespaces: ['one', 'two'] });
    expect(['one', 'two', 'default'].map((name) => selectsPod(term, { app: 'x' }, name))).toEqual([true, true, false]);
  });

  it('adds the namespaces whose labels it selects to those it names', () => {
    const labels = { red: { team: 'red' }, blue: { team: 'blue' } };
    const term = anti({ namespaces: ['one'], namespaceSelector: { matchLabels: { team: 'red' } } });
    const names = ['one', 'red', 'blue', 'default', 'unknown'];
    expect(names.filter((name) => selectsPod(term, { app: 'x' }, name, labels))).toEqual(['one', 'red']);
    const only = anti({ namespaceSelector: { matchLabels: { team: 'red' } } });
    expect(names.filter((name) => selectsPod(only, { app: 'x' }, name, labels))).toEqual(['red']);
    const all = anti({ namespaceSelector: {} });
    expect(names.filter((name) => selectsPod(all, { app: 'x' }, name, labels))).toEqual(names);
  });

  it('selects nothing without a selector, whatever label keys it is narrowed by', () => {
    const term = anti({ labelSelector: undefined, matchLabelKeys: ['hash'] }, { hash: '1' });
    expect(selectsPod(term, { hash: '1' })).toBe(false);
  });

  it('is narrowed to the pod’s own values of matchLabelKeys, and away from those of mismatchLabelKeys', () => {
    const same = anti({ matchLabelKeys: ['hash', 'absent'] }, { hash: '1' });
    expect(selectsPod(same, { app: 'x', hash: '1' })).toBe(true);
    expect(selectsPod(same, { app: 'x', hash: '2' })).toBe(false);
    expect(selectsPod(same, { app: 'y', hash: '1' })).toBe(false);
    const others = anti({ mismatchLabelKeys: ['hash', 'absent'] }, { hash: '1' });
    expect(selectsPod(others, { app: 'x', hash: '2' })).toBe(true);
    expect(selectsPod(others, { app: 'x', hash: '1' })).toBe(false);
  });

  it('has another key when it selects other pods or other domains', () => {
    const keys = [
      anti({}),
      anti({ topologyKey: 'rack' }),
      anti({ labelSelector: selector('y') }),
      anti({ namespaces: ['one'] }),
      anti({ namespaceSelector: {} }),
      anti({ matchLabelKeys: ['hash'] }, { hash: '1' }),
      anti({ mismatchLabelKeys: ['hash'] }, { hash: '1' }),
    ].map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(anti({ namespaces: ['default'] }).key).toBe(keys[0]);
  });
});

describe('a spread constraint', () => {
  const spread = (more: Record<string, unknown>, labels: Labels = {}) => {
    const constraint = {
      maxSkew: 2,
      topologyKey: 'zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: selector('x'),
    };
    const topologySpreadConstraints = [{ ...constraint, ...more }] as Pod['spec']['topologySpreadConstraints'];
    const [found] = shapeOf(withSpec({ topologySpreadConstraints }, labels)).spread;
    if (!found) throw new Error('no constraint');
    return found;
  };

  it('is hard or soft, and has Kubernetes’ defaults: one domain, only nodes of the affinity, taints ignored', () => {
    expect(spread({})).toMatchObject({
      maxSkew: 2,
      minDomains: 1,
      hard: true,
      honorAffinity: true,
      honorTaints: false,
    });
    const other = {
      minDomains: 3,
      whenUnsatisfiable: 'ScheduleAnyway',
      nodeAffinityPolicy: 'Ignore',
      nodeTaintsPolicy: 'Honor',
    };
    expect(spread(other)).toMatchObject({ minDomains: 3, hard: false, honorAffinity: false, honorTaints: true });
    expect(spread({ nodeAffinityPolicy: 'Honor', nodeTaintsPolicy: 'Ignore' })).toMatchObject({
      honorAffinity: true,
      honorTaints: false,
    });
  });

  it('selects the selected pods of its namespace, narrowed by matchLabelKeys', () => {
    const { term } = spread({ matchLabelKeys: ['hash'] }, { hash: '1' });
    expect(term.topologyKey).toBe('zone');
    expect(selectsPod(term, { app: 'x', hash: '1' })).toBe(true);
    expect(selectsPod(term, { app: 'x', hash: '2' })).toBe(false);
    expect(selectsPod(term, { app: 'x', hash: '1' }, 'other')).toBe(false);
    expect(spread({}).term.key).toBe(anti({}).key);
    expect(spread({ topologyKey: 'rack' }).term.key).not.toBe(spread({}).term.key);
  });
});
