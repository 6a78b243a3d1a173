import { describe, expect, it } from 'vitest';
import { ownAddresses } from './addresses.ts';
import { boundOnce } from './binding.ts';
import { committedWithinCapacity } from './commitments.ts';
import { enginesRunWhatIsBound } from './engines.ts';
import { podsWithinQuotas } from './quotas.ts';
import { deleted, Story } from './story.ts';

const bound = (node: string, requests: object = {}) => ({
  spec: { nodeName: node, containers: [{ name: 'main', resources: { requests } }] },
});
const node = { status: { allocatable: { cpu: '1', memory: '1Gi', pods: '2' } } };
const ended = { status: { phase: 'Succeeded' } };

describe('the oracle of bindings', () => {
  it('lets a pod be bound once, and another of the same name elsewhere', () => {
    const story = new Story().put('Pod', 'default/a', { spec: {} }).put('Pod', 'default/a', bound('n'));
    story.remove('Pod', 'default/a').put('Pod', 'default/a', { ...bound('m'), metadata: { uid: 'other' } });
    expect(boundOnce(story)).toEqual([]);
  });

  it('sees a second binding, and one that is taken back', () => {
    const story = new Story().put('Pod', 'default/a', bound('n')).put('Pod', 'default/a', bound('m'));
    expect(boundOnce(story)).toEqual([expect.stringContaining('bound to n, and at 3 to m')]);
    expect(
      boundOnce(new Story().put('Pod', 'default/a', bound('n')).put('Pod', 'default/a', { spec: {} })),
    ).toHaveLength(1);
  });
});

describe('the oracle of commitments', () => {
  it.each([
    ['cpu', { cpu: '600m' }],
    ['memory', { memory: '600Mi' }],
  ])('sees more %s bound to a node than it has, and does not count pods that have ended', (resource, requests) => {
    const story = new Story().put('Node', 'n', node).put('Pod', 'default/a', bound('n', requests));
    story.put('Pod', 'default/a', ended).put('Pod', 'default/b', bound('n', requests));
    expect(committedWithinCapacity(story)).toEqual([]);
    story.put('Pod', 'default/c', bound('n', requests));
    expect(committedWithinCapacity(story)).toEqual([expect.stringContaining(`overcommitted at 6: ${resource}`)]);
  });

  it('sees more pods bound to a node than it may have', () => {
    const story = new Story().put('Node', 'n', node);
    for (const name of ['a', 'b', 'c']) story.put('Pod', `default/${name}`, bound('n'));
    expect(committedWithinCapacity(story)).toEqual([expect.stringContaining('3 pods of 2')]);
  });
});

describe('the oracle of addresses', () => {
  it('sees two pods with one address, unless one of them has ended', () => {
    const address = { status: { podIP: '10.0.0.1' } };
    const story = new Story().put('Pod', 'default/a', address).put('Pod', 'default/a', ended);
    story.put('Pod', 'default/b', address);
    expect(ownAddresses(story)).toEqual([]);
    expect(ownAddresses(story.put('Pod', 'default/c', address))).toHaveLength(1);
  });
});

describe('the oracle of engines', () => {
  it('lets a node run what was bound to it, also for a while after it is gone', () => {
    const story = new Story()
      .put('Pod', 'default/a', bound('n'))
      .look('n', ['a'])
      .remove('Pod', 'default/a')
      .later(5)
      .look('n', ['a']);
    expect(enginesRunWhatIsBound(story)).toEqual([]);
  });

  it('sees a pod on a node that it is not bound to, or not yet, and one on two nodes', () => {
    expect(enginesRunWhatIsBound(new Story().put('Pod', 'default/a', bound('n')).look('m', ['a']))).toHaveLength(1);
    const early = new Story().look('n', ['a']).later(1).put('Pod', 'default/a', bound('n'));
    expect(enginesRunWhatIsBound(early)).toHaveLength(1);
    const both = new Story().put('Pod', 'default/a', bound('n')).look('n', ['a']).look('m', ['a']);
    expect(enginesRunWhatIsBound(both)).toContainEqual('pod a runs on n and on m');
  });

  it('sees a container that runs twice', () => {
    const story = new Story().put('Pod', 'default/a', bound('n')).look('n', ['a'], ['main', 'main']);
    expect(enginesRunWhatIsBound(story)).toEqual(['container main of pod a runs twice']);
  });
});

describe('the oracle of quotas', () => {
  it('sees a pod beyond the quota of its namespace, counts those being deleted, and not those that have ended', () => {
    const story = new Story().put('ResourceQuota', 'small/q', { spec: { hard: { pods: '2' } } });
    story.put('Pod', 'small/a').put('Pod', 'small/a', ended).put('Pod', 'small/b').put('Pod', 'small/c');
    story.put('Pod', 'other/d').put('Pod', 'small/c', deleted);
    expect(podsWithinQuotas(story)).toEqual([]);
    expect(podsWithinQuotas(story.put('Pod', 'small/e'))).toHaveLength(1);
  });
});
