import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { set, term, wanting } from '../../test/support/node-index.ts';
import { onNode, pendingPod, readyNode, terminating } from '../../test/support/scheduling.ts';
import type { Namespace, Pod } from '../generated/types.ts';
import { NodeIndex } from './node-index.ts';
import type { PodShape, PodTerm } from './pod-shape.ts';

type Labels = Record<string, string>;

const namespace = (name: string, labels?: Labels): Namespace =>
  ({ metadata: { name, ...(labels ? { labels } : {}) } }) as Namespace;

const nodeNames = ['a', 'b', 'c'];
const apps = ['x', 'y'];
const namespaces = ['default', 'other'];

interface PodStep {
  readonly name: string;
  readonly app: string;
  readonly namespace: string;
  readonly incarnation: number;
  readonly node: string | undefined;
  readonly deleting: boolean;
  readonly phase: 'Running' | 'Succeeded' | 'Failed';
  readonly priority: number;
  /** Carries an anti-affinity to pods of app x. */
  readonly shy: boolean;
}

interface Modelled extends PodStep {
  place: string | undefined;
  assumed: boolean;
}

type Step =
  | { do: 'pod'; pod: PodStep }
  | { do: 'remove-pod' | 'forget'; name: string; namespace: string }
  | { do: 'assume' | 'reserve'; name: string; namespace: string; node: string }
  | { do: 'node'; node: string; zone: string | undefined }
  | { do: 'remove-node'; node: string }
  | { do: 'namespace'; namespace: string; team: string | undefined };

const name = fc.constantFrom('p', 'q', 'r', 's');
const inNamespace = fc.constantFrom(...namespaces);
const node = fc.constantFrom(...nodeNames);
const podStep: fc.Arbitrary<PodStep> = fc.record({
  name,
  app: fc.constantFrom(...apps),
  namespace: inNamespace,
  incarnation: fc.constantFrom(0, 0, 0, 1),
  node: fc.constantFrom(undefined, ...nodeNames),
  deleting: fc.constantFrom(false, false, true),
  phase: fc.constantFrom('Running', 'Running', 'Running', 'Running', 'Succeeded', 'Failed'),
  priority: fc.nat(3),
  shy: fc.boolean(),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: podStep.map((pod): Step => ({ do: 'pod', pod })) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('remove-pod' as const, 'forget' as const),
      name,
      namespace: inNamespace,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('assume' as const, 'reserve' as const),
      name,
      namespace: inNamespace,
      node,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('node' as const), node, zone: fc.constantFrom('z1', 'z2', undefined) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove-node' as const), node }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('namespace' as const),
      namespace: inNamespace,
      team: fc.constantFrom('red', 'blue', undefined),
    }),
  },
);

/** The index beside a model of it that counts everything anew. */
class Pair {
  readonly index = new NodeIndex();
  readonly nodes = new Map<string, string | undefined>();
  readonly teams = new Map<string, string>();
  readonly pods = new Map<string, Modelled>();
  readonly terms: readonly PodTerm[];
  readonly user: PodShape;

  constructor() {
    const terms = [
      term('x', { namespaces }),
      term('y', { namespaces }),
      term('x', { namespaceSelector: { matchLabels: { team: 'red' } } }),
    ];
    this.user = set(this.index, wanting('keeper', 'podAffinity', terms)).shape;
    this.terms = this.user.affinity.required;
  }

  apply(step: Step): void {
    const { index } = this;
    if (step.do === 'pod') {
      this.#setPod(step.pod);
    } else if (step.do === 'node') {
      this.nodes.set(step.node, step.zone);
      index.setNode(readyNode(step.node, {}, step.zone === undefined ? {} : { labels: { zone: step.zone } }));
    } else if (step.do === 'remove-node') {
      this.nodes.delete(step.node);
      index.removeNode(step.node);
    } else if (step.do === 'namespace') {
      if (step.team === undefined) {
        this.teams.delete(step.namespace);
        index.removeNamespace(step.namespace);
      } else {
        this.teams.set(step.namespace, step.team);
        index.setNamespace(namespace(step.namespace, { team: step.team }));
      }
    } else {
      const key = `${step.namespace}/${step.name}`;
      const [model, info] = [this.pods.get(key), index.pod(key)];
      expect(info === undefined).toBe(model === undefined);
      if (step.do === 'remove-pod') {
        this.pods.delete(key);
        index.removePod(key);
      }
      if (!model || !info || (model.place !== undefined && !model.assumed)) return;
      if (step.do === 'forget') {
        Object.assign(model, { place: undefined, assumed: false });
        index.forget(info);
      } else if (step.do === 'reserve') {
        Object.assign(model, { place: step.node, assumed: true });
        index.nominateByName(info, step.node);
      } else if (step.do === 'assume') {
        const state = index.node(step.node);
        if (!state) return;
        Object.assign(model, { place: step.node, assumed: true });
        index.assume(info, state);
      }
    }
  }

  #setPod(pod: PodStep): void {
    const key = `${pod.namespace}/${pod.name}`;
    const before = this.pods.get(key);
    const same = before?.incarnation === pod.incarnation ? before : undefined;
    // Priorities are set once.
    const { priority } = same ?? pod;
    const anti = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('x')] } };
    const made = pendingPod(
      pod.name,
      { cpu: '100m' },
      {
        namespace: pod.namespace,
        labels: { app: pod.app },
        uid: `${key}-${pod.incarnation}`,
        spec: { priority, ...(pod.shy ? { affinity: anti } : {}) },
      },
    );
    const placed = pod.node === undefined ? made : onNode(made, pod.node);
    const phased: Pod = { ...placed, status: { phase: pod.phase } };
    const info = this.index.setPod(pod.deleting ? terminating(phased) : phased);
    if (pod.phase !== 'Running') {
      this.pods.delete(key);
      expect(info).toBeUndefined();
      return;
    }
    const place = pod.node ?? same?.place;
    const assumed = pod.node === undefined && same?.assumed === true;
    this.pods.set(key, { ...pod, priority, place, assumed });
    expect(info).toMatchObject({ key, assumed, priority, deleting: pod.deleting });
    expect(info?.node?.name).toBe(place);
  }

  check(): void {
    const { index } = this;
    expect(index.nodeCount).toBe(this.nodes.size);
    const placed = [...this.pods.values()].filter(({ place }) => place !== undefined);
    expect(index.lowestPriority).toBe(Math.min(...placed.map(({ priority }) => priority)));
    const names = new Set([...this.nodes.keys(), ...placed.map(({ place }) => place)]);
    expect(new Set(index.slots.flatMap((state) => (state ? [state.name] : [])))).toEqual(names);
    for (const state of index.slots) {
      if (!state) continue;
      expect(state.node !== undefined).toBe(this.nodes.has(state.name));
      const here = placed.filter(({ place }) => place === state.name);
      expect([...state.pods].map(({ key }) => key).sort()).toEqual(
        here.map((pod) => `${pod.namespace}/${pod.name}`).sort(),
      );
      expect(state.used.cpuMillis).toBe(100 * here.length);
    }
    this.#checkCounts(placed);
    this.#checkExistingTerms(placed);
    this.#checkDomains();
  }

  #checkCounts(placed: readonly Modelled[]): void {
    const selectsPod: ((pod: Modelled) => boolean)[] = [
      ({ app }) => app === 'x',
      ({ app }) => app === 'y',
      ({ app, namespace }) => app === 'x' && this.teams.get(namespace) === 'red',
    ];
    for (const [at, term] of this.terms.entries()) {
      for (const among of ['all', 'staying'] as const) {
        const matching = placed.filter((pod) => selectsPod[at]?.(pod) && (among === 'all' || !pod.deleting));
        const { total, perNode } = this.index.count([term], this.user, among);
        expect(total).toBe(matching.length);
        this.#checkPerNode(perNode, matching);
      }
    }
    const both = placed.filter((pod) => selectsPod[0]?.(pod) && selectsPod[2]?.(pod));
    const [first, , third] = this.terms;
    if (first && third) expect(this.index.count([first, third], this.user).total).toBe(both.length);
  }

  #checkPerNode(perNode: Int32Array, pods: readonly Modelled[]): void {
    const states = this.index.slots.filter((state) => state !== undefined);
    expect(states.map(({ slot }) => perNode[slot])).toEqual(
      states.map(({ name }) => pods.filter(({ place }) => place === name).length),
    );
  }

  #checkExistingTerms(placed: readonly Modelled[]): void {
    for (const [app, ofNamespace] of [
      ['x', 'default'],
      ['x', 'other'],
      ['y', 'default'],
    ] as const) {
      this.index.withShape(pendingPod('probe', {}, { namespace: ofNamespace, labels: { app } }), (shape) => {
        const shy = placed.filter((pod) => pod.shy && pod.namespace === ofNamespace && app === 'x');
        const terms = this.index.existingTerms(shape);
        expect(terms.map(({ weight }) => weight)).toEqual(shy.length > 0 ? ['required'] : []);
        for (const { perNode } of terms) {
          this.#checkPerNode(perNode, shy);
        }
      });
    }
  }

  #checkDomains(): void {
    const { of, count } = this.index.domains('zone');
    const ids = new Map<string, number>();
    for (const state of this.index.slots) {
      if (!state) continue;
      const zone = this.nodes.get(state.name);
      const id = of[state.slot] ?? Number.NaN;
      if (zone === undefined) {
        expect(id).toBe(-1);
        continue;
      }
      expect(id).toBeGreaterThanOrEqual(0);
      expect(id).toBeLessThan(count);
      expect(ids.get(zone) ?? id).toBe(id);
      ids.set(zone, id);
    }
    expect(new Set(ids.values()).size).toBe(ids.size);
  }
}

describe('the counts of the index of nodes', () => {
  it('counts what a count from the beginning would, and logs each node that changed, whatever happened', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 30, size: 'max' }), (steps) => {
        const pair = new Pair();
        const { index } = pair;
        for (const step of steps) {
          const before = index.slots.map((state) => [state, state?.version] as const);
          const cursor = index.changes.head;
          pair.apply(step);
          pair.check();
          const logged = new Set<number>();
          for (let at = cursor; at < index.changes.head; at++) logged.add(index.changes.at(at));
          const changed: number[] = [];
          for (const [slot, state] of index.slots.entries()) {
            if (before[slot]?.[0] !== state || before[slot]?.[1] !== state?.version) changed.push(slot);
          }
          expect(changed.filter((slot) => !logged.has(slot))).toEqual([]);
        }
      }),
      { numRuns: 25 },
    );
  });
});
