import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError } from '../../shared/errors.ts';
import { BrakedScheduler, bindings, millisOf } from '../../test/support/braked-scheduler.ts';
import { pendingPod, readyNode } from '../../test/support/scheduling.ts';

const node = (name: string, millis: number, pods = '110') => readyNode(name, { cpu: `${millis}m`, pods });
const pod = (name: string, millis: number, spec = {}) => pendingPod(name, { cpu: `${millis}m` }, { spec });
/** Left alone by the scheduler; others bind it. */
const foreign = (name: string, millis: number) => pod(name, millis, { schedulerName: 'other' });

describe('the scheduler on a view that is behind', () => {
  let one: BrakedScheduler;

  beforeEach(async () => {
    one = await BrakedScheduler.start();
  });

  afterEach(async () => {
    await one.stop();
    expect(one.broken).toEqual([]);
  });

  it('counts its own placements before it sees them', async () => {
    await one.addNode(node('n', 1_000));
    await one.clock.advance(100);
    const release = one.client.watches.hold();
    for (let i = 0; i < 4; i++) await one.addPod(pod(`p${i}`, 400));
    await one.clock.advance(1_000);
    expect(one.sent).toEqual([]);
    const slow = one.client.writes.hold({ match: bindings });
    release();
    await one.clock.advance(100);
    const again = one.client.watches.hold();
    slow.release();
    await one.clock.advance(5_000);
    expect((await one.placed()).n).toHaveLength(2);
    again();
    await one.clock.advance(5_000);
    expect((await one.placed()).n).toHaveLength(2);
    expect(one.sent).toHaveLength(2);
  });

  it('does not bind to a node that another scheduler filled before the informer showed it, and does not try other nodes meanwhile', async () => {
    await one.addNode(node('n', 1_000));
    await one.addPod(foreign('theirs', 800));
    await one.clock.advance(100);
    const release = one.client.watches.hold();
    expect(await one.bindByOther('theirs', 'n')).toBe(true);
    await one.addPod(pod('seen-late', 400));
    release();
    const hold = one.client.watches.hold();
    await one.clock.advance(500);
    hold();
    await one.clock.advance(5_000);
    expect(await one.placed()).toEqual({ n: ['theirs'] });
    await one.deletePod('theirs');
    await one.clock.advance(5_000);
    expect(await one.nodeOf('seen-late')).toBe('n');
  });

  it('is refused when another scheduler used capacity of the node after the decision, and is decided again on the new state', async () => {
    await one.addNode(node('n', 1_000));
    await one.addNode(node('m', 1_000));
    await one.addPod(foreign('x', 800));
    await one.addPod(foreign('y', 800));
    await one.clock.advance(100);
    const slow = one.client.writes.hold({ match: bindings });
    await one.addPod(pod('a', 400));
    await one.clock.advance(100);
    const release = one.client.watches.hold();
    for (const [name, at] of [
      ['x', 'n'],
      ['y', 'm'],
    ] as const)
      expect(await one.bindByOther(name, at)).toBe(true);
    slow.release();
    await one.clock.advance(3_000);
    expect(await one.nodeOf('a')).toBeUndefined();
    // Each try without news is refused: there are few of them.
    expect(one.sent.length).toBeLessThan(12);
    release();
    await one.clock.advance(5_000);
    expect(one.scheduler.pending).toEqual({ active: 0, unschedulable: 1, inFlight: 0 });
    const before = one.sent.length;
    await one.clock.advance(5_000);
    expect(one.sent).toHaveLength(before);
    await one.deletePod('y');
    await one.clock.advance(5_000);
    expect(await one.nodeOf('a')).toBe('m');
  });

  it('binds no pod a second time whose binding was stored though its answer was lost, nor gives its room away', async () => {
    await one.addNode(node('n', 1_000));
    await one.addNode(node('m', 1_000));
    await one.clock.advance(100);
    one.client.writes.fail({ match: bindings, applied: true });
    const release = one.client.watches.hold();
    release();
    await one.addPod(pod('a', 600));
    await one.clock.advance(1);
    const hold = one.client.watches.hold();
    await one.clock.advance(2_000);
    const place = await one.nodeOf('a');
    expect(place).toBeDefined();
    hold();
    await one.clock.advance(2_000);
    for (const name of ['b', 'c']) await one.addPod(pod(name, 600));
    await one.clock.advance(5_000);
    expect(await one.nodeOf('a')).toBe(place);
    const placed = Object.values(await one.placed()).flat();
    expect(placed).toHaveLength(2);
    expect(one.scheduler.pending).toEqual({ active: 0, unschedulable: 1, inFlight: 0 });
  });

  it('picks up missed changes from a relist: new nodes, deleted pods, pods bound by others', async () => {
    await one.addNode(node('n', 1_000));
    await one.addPod(pod('first', 800));
    await one.addPod(foreign('theirs', 900));
    await one.clock.advance(500);
    await one.addPod(pod('waits', 800));
    await one.clock.advance(500);
    const end = one.client.watches.lose();
    await one.deletePod('first');
    expect(await one.bindByOther('theirs', 'n')).toBe(true);
    await one.addNode(node('m', 1_000));
    await one.clock.advance(5_000);
    expect(await one.nodeOf('waits')).toBeUndefined();
    end();
    await one.clock.advance(10_000);
    expect(await one.placed()).toEqual({ n: ['theirs'], m: ['waits'] });
  });

  it('takes a pod that came in place of one of the same name, unseen, for another', async () => {
    await one.addNode(node('n', 1_000));
    await one.addPod(pod('placed', 600));
    await one.addPod(pod('large', 2_000));
    await one.clock.advance(2_000);
    expect(await one.placed()).toEqual({ n: ['placed'] });
    const end = one.client.watches.lose();
    for (const name of ['placed', 'large']) await one.deletePod(name);
    await one.addPod(pod('large', 700));
    await one.addPod(pod('placed', 300));
    await one.clock.advance(100);
    end();
    await one.clock.advance(3_000);
    expect(await one.placed()).toEqual({ n: ['large', 'placed'] });
    expect(one.scheduler.pending).toEqual({ active: 0, unschedulable: 0, inFlight: 0 });
  });

  it('keeps a refusal for one pod from affecting the others', async () => {
    await one.addNode(node('n', 1_000));
    await one.clock.advance(100);
    const error = new ApiError('Forbidden', 'not this one');
    one.client.writes.fail({ match: ({ verb, name }) => verb === 'bind' && name === 'a', times: 3, error });
    await one.addPod(pod('a', 400));
    await one.clock.advance(10);
    await one.addPod(pod('b', 400));
    await one.clock.advance(3_000);
    expect((await one.placed()).n).toEqual(['a', 'b']);
  });

  it('binds a pod to the node of the same name that replaced a deleted one', async () => {
    await one.addNode(node('n', 1_000));
    await one.addPod(pod('a', 800));
    await one.clock.advance(500);
    const release = one.client.watches.hold();
    await one.deletePod('a');
    await one.api.client.delete('Node', 'n');
    await one.addNode(node('n', 1_000));
    await one.addPod(pod('b', 900));
    release();
    await one.clock.advance(5_000);
    expect(await one.placed()).toEqual({ n: ['b'] });
  });

  it('binds a pod that came in place of one of the same name, not on the binding of the old', async () => {
    await one.addNode(node('n', 1_000));
    await one.clock.advance(100);
    const slow = one.client.writes.hold({ match: bindings });
    await one.addPod(pod('a', 400));
    await one.clock.advance(100);
    await one.deletePod('a');
    await one.addPod({ ...pod('a', 700), metadata: { ...pod('a', 700).metadata, labels: { second: 'yes' } } });
    await one.clock.advance(100);
    slow.release();
    await one.clock.advance(5_000);
    const now = await one.api.client.get('Pod', 'a', 'default');
    expect([now.metadata.labels, now.spec.nodeName]).toEqual([{ second: 'yes' }, 'n']);
    await one.addPod(pod('b', 300));
    await one.clock.advance(1_000);
    expect(await one.nodeOf('b')).toBe('n');
  });
});

describe('the scheduler under a brake', () => {
  type Step =
    | { do: 'add' | 'foreign'; millis: number }
    | { do: 'bind-other' | 'delete'; at: number; node: string }
    | { do: 'hold' | 'release' | 'cut' | 'overrun' | 'fail' | 'lose-answer' }
    | { do: 'wait'; ms: number };

  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constantFrom('add' as const, 'foreign' as const),
        millis: fc.constantFrom(200, 400, 700),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('bind-other' as const, 'delete' as const),
        at: fc.nat(20),
        node: fc.constantFrom('n', 'm'),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom(
          'hold' as const,
          'release' as const,
          'cut' as const,
          'overrun' as const,
          'fail' as const,
          'lose-answer' as const,
        ),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 1, 10, 100, 2_000) }),
    },
  );

  async function apply(one: BrakedScheduler, steps: readonly Step[]): Promise<void> {
    const names: string[] = [];
    let releases: (() => void)[] = [];
    for (const step of steps) {
      if (step.do === 'add' || step.do === 'foreign') {
        const name = `${step.do}-${names.length}`;
        names.push(name);
        await one.addPod(step.do === 'add' ? pod(name, step.millis) : foreign(name, step.millis));
      } else if (step.do === 'bind-other' || step.do === 'delete') {
        const name = names[step.at % Math.max(1, names.length)];
        if (name === undefined) continue;
        if (step.do === 'delete') await one.deletePod(name).catch(() => undefined);
        else await one.bindByOther(name, step.node, () => fitsNow(one, name, step.node));
      } else if (step.do === 'wait') {
        await one.clock.advance(step.ms);
      } else if (step.do === 'hold') {
        releases.push(one.client.watches.hold());
      } else if (step.do === 'release') {
        for (const release of releases) release();
        releases = [];
      } else if (step.do === 'cut') {
        one.client.watches.cut();
      } else if (step.do === 'overrun') {
        one.client.watches.overrun();
      } else {
        one.client.writes.fail({ match: bindings, applied: step.do === 'lose-answer' });
      }
    }
    for (const release of releases) release();
  }

  /** The other scheduler keeps to the room that there is. */
  async function fitsNow(one: BrakedScheduler, name: string, node: string): Promise<boolean> {
    const { items } = await one.api.client.list('Pod');
    const millis = ({ spec }: (typeof items)[number]) => millisOf(spec.containers[0]?.resources?.requests);
    const wanted = items.find(({ metadata }) => metadata.name === name);
    const used = items.filter(({ spec }) => spec.nodeName === node).reduce((sum, pod) => sum + millis(pod), 0);
    return wanted !== undefined && used + millis(wanted) <= 1_000;
  }

  it('never exceeds a node’s capacity nor binds a pod twice, and finally binds all pods that fit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 30, size: 'max' }), async (steps) => {
        const one = await BrakedScheduler.start();
        for (const name of ['n', 'm']) await one.addNode(node(name, 1_000));
        await one.clock.advance(100);
        await apply(one, steps);
        await one.clock.advance(70_000);
        const { items } = await one.api.client.list('Pod');
        const waiting = items.filter(({ spec }) => !spec.nodeName && spec.schedulerName !== 'other');
        for (const { metadata } of waiting) {
          for (const name of ['n', 'm']) {
            if (await fitsNow(one, metadata.name, name))
              one.broken.push(`${metadata.name} waits though ${name} has room`);
          }
        }
        expect(one.scheduler.pending).toEqual({ active: 0, unschedulable: waiting.length, inFlight: 0 });
        await one.stop();
        expect(one.broken).toEqual([]);
      }),
      { numRuns: 8 },
    );
  });
});
