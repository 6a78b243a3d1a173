import { describe, expect, it } from 'vitest';
import { onNode, pendingPod, readyNode } from '../../test/support/scheduling.ts';
import type { Node, Pod } from '../generated/types.ts';
import { explain, unschedulableMessage } from './explain.ts';
import { NodeIndex } from './node-index.ts';
import type { NodeInfo } from './node-info.ts';
import type { Check, Plugin } from './plugin.ts';
import { defaultPlugins } from './plugins/index.ts';

function indexOf(nodes: readonly Node[], placed: readonly Pod[] = []): NodeIndex {
  const index = new NodeIndex();
  for (const node of nodes) index.setNode(node);
  for (const pod of placed) index.setPod(pod);
  return index;
}

/** A rule that rejects the nodes named, each with these reasons. */
const rule = (name: string, rejects: Record<string, string[]>, check: Partial<Check> = {}): Plugin => ({
  name,
  scope: check.scores ? 'cluster' : 'local',
  events: [],
  prepare: () => ({
    filter(node: NodeInfo) {
      const reasons = rejects[node.name];
      return reasons && { plugin: name, reasons, resolvable: true };
    },
    ...check,
  }),
});
const nodes = ['c', 'a', 'b'].map((name) => readyNode(name));

describe('the message of an unschedulable pod', () => {
  it('counts each reason over the nodes, in order of the text', () => {
    expect(unschedulableMessage([['too small'], ['cordoned', 'too small'], ['cordoned'], []])).toBe(
      '0/4 nodes are available: 2 cordoned, 2 too small.',
    );
    expect(unschedulableMessage([])).toBe('no nodes available to schedule pods');
  });
});

describe('an explanation', () => {
  it('names the nodes in order, with every rule that rejects each, not only the first', () => {
    const plugins = [
      rule('one', { a: ['first', 'second'], b: ['first'] }),
      rule('two', { a: ['third'], c: ['third'] }),
    ];
    const { nodes: explained, message } = explain(pendingPod('p'), indexOf(nodes), plugins);
    expect(
      explained.map(({ node, fits, reasons }) => [node, fits, reasons.map((one) => `${one.plugin}: ${one.reason}`)]),
    ).toEqual([
      ['a', false, ['one: first', 'one: second', 'two: third']],
      ['b', false, ['one: first']],
      ['c', false, ['two: third']],
    ]);
    // As in the pod's condition, where the first plugin gives the reason of a node.
    expect(message).toBe('0/3 nodes are available: 1 second, 1 third, 2 first.');
  });

  it('has no sentence when one node fits, and reports when there are no nodes', () => {
    const { nodes: explained, message } = explain(pendingPod('p'), indexOf(nodes), [
      rule('one', { a: ['x'], c: ['x'] }),
    ]);
    expect(message).toBeUndefined();
    expect(explained.map(({ fits }) => fits)).toEqual([false, true, false]);
    expect(explain(pendingPod('p'), indexOf([]), defaultPlugins)).toEqual({
      nodes: [],
      message: 'no nodes available to schedule pods',
    });
  });

  it('leaves out names of nodes that pods are bound to and that do not exist', () => {
    const { nodes: explained } = explain(pendingPod('p'), indexOf(nodes, [onNode(pendingPod('q'), 'ghost')]), []);
    expect(explained.map(({ node }) => node)).toEqual(['a', 'b', 'c']);
  });

  it('has the weighted scores of the nodes that fit, compared among those alone, and their sum', () => {
    const compared: string[][] = [];
    const plugins = [
      rule('own', {}, { weight: 2, score: (node) => (node.name === 'a' ? 10 : 20) }),
      rule('plain', { b: ['no'] }, { score: () => 1 }),
      rule(
        'compares',
        {},
        {
          weight: 3,
          scores(fitting) {
            compared.push(fitting.map(({ name }) => name));
            return fitting.map((_, at) => at + 1);
          },
        },
      ),
      rule('even', {}, { scores: (fitting) => fitting.map(() => 5) }),
      { name: 'silent', scope: 'local', events: [], prepare: () => undefined } satisfies Plugin,
    ];
    const { nodes: explained } = explain(pendingPod('p'), indexOf(nodes), plugins);
    expect(explained.map(({ node, scores, total }) => [node, scores, total])).toEqual([
      ['a', { own: 20, plain: 1, compares: 3, even: 5 }, 29],
      ['b', {}, 0],
      ['c', { own: 40, plain: 1, compares: 6, even: 5 }, 52],
    ]);
    expect(compared).toEqual([['a', 'c']]);
  });

  it('gives the requested, free and allocatable amount of each resource, of ephemeral storage only when requested', () => {
    const amounts = { cpu: '2', memory: '1Gi', pods: '5', 'ephemeral-storage': '10Gi', 'example.com/gpu': '3' };
    const index = indexOf(
      [readyNode('a', amounts)],
      [
        onNode(
          pendingPod('q', { cpu: '500m', memory: '256Mi', 'ephemeral-storage': '1Gi', 'example.com/gpu': '1' }),
          'a',
        ),
      ],
    );
    const resources = (requests: Record<string, string>) =>
      explain(pendingPod('p', requests), index, defaultPlugins).nodes[0]?.resources.map((one) => [
        one.resource,
        one.requested,
        one.free,
        one.allocatable,
      ]);
    expect(
      resources({ cpu: '1', memory: '1Mi', 'ephemeral-storage': '1Ki', 'example.com/gpu': '2', foo: '7' }),
    ).toEqual([
      ['cpu', 1_000, 1_500, 2_000],
      ['memory', 2 ** 20, 3 * 2 ** 28, 2 ** 30],
      ['ephemeral-storage', 1_024, 9 * 2 ** 30, 10 * 2 ** 30],
      ['pods', 1, 4, 5],
      ['example.com/gpu', 2, 2, 3],
      ['foo', 7, 0, 0],
    ]);
    expect(resources({})?.map(([resource]) => resource)).toEqual(['cpu', 'memory', 'pods']);
  });
});
