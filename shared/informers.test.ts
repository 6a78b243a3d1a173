import { describe, expect, it } from 'vitest';
import { batch, event, object, ScriptedClient, state } from '../test/support/scripted-client.ts';
import { ApiError } from './errors.ts';
import type { Kind } from './generated/types.ts';
import type { Change, Informers } from './informer.ts';
import { createInformers, unowned } from './informers.ts';
import { silentLog } from './log.ts';
import type { KubeObject } from './object.ts';
import { VirtualClock } from './virtual-clock.ts';

function setup(kinds: readonly Kind[] = ['Pod', 'Node']) {
  const clock = new VirtualClock();
  const client = new ScriptedClient();
  const random = { bytes: (count: number) => new Uint8Array(count) };
  const informers: Informers = createInformers({ client, clock, random, log: silentLog }, kinds);
  const told: (readonly Change[])[] = [];
  /** What the copies showed while the handlers ran. */
  const shown: number[] = [];
  informers.onChange((changes) => {
    told.push(changes);
    shown.push(informers.revision);
  });
  const stop = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const run = (): void => {
    running = informers.run(stop.signal);
  };
  run();
  const lines = (changes: readonly Change[] = []): string[] =>
    changes.map(({ kind, key, before, after }) => {
      const version = (one: KubeObject | undefined) => one?.metadata.resourceVersion ?? '-';
      return `${kind} ${key} ${version(before)} → ${version(after)}`;
    });
  const names = (kind: Kind): string[] => [...informers.of(kind).values()].map(({ metadata }) => metadata.name).sort();
  return {
    clock,
    client,
    informers,
    told,
    shown,
    lines,
    names,
    settle: () => clock.advance(0),
    end: async () => {
      stop.abort(new Error('the test is over'));
      await running;
    },
  };
}

describe('informers', () => {
  it('are empty and not synced until the initial state is complete, then deliver it as one change', async () => {
    const { client, informers, told, shown, lines, settle, end } = setup();
    let synced = false;
    const waiting = informers.synced(new AbortController().signal).then(() => {
      synced = true;
    });
    const first = { ...state(5, object('Pod', 'a/1', 3)), synced: false };
    client.say(first);
    await settle();
    expect([informers.revision, informers.of('Pod').size, told.length, synced]).toEqual([0, 0, 0, false]);
    client.say(state(5, object('Pod', 'b/2', 4), object('Node', 'n', 5)));
    await settle();
    await waiting;
    await informers.synced(new AbortController().signal);
    expect(client.kinds).toEqual(['Pod', 'Node']);
    expect(told.map(lines)).toEqual([['Pod a/1 - → 3', 'Pod b/2 - → 4', 'Node n - → 5']]);
    expect([informers.revision, shown, synced]).toEqual([5, [5], true]);
    await end();
  });

  it('are synced by an empty first state, without a change', async () => {
    const { client, informers, told, settle, end } = setup();
    client.say(state(7));
    await settle();
    await informers.synced(new AbortController().signal);
    expect([informers.revision, told]).toEqual([7, []]);
    await end();
  });

  it('end a wait for the first state by its signal alone', async () => {
    const { client, informers, settle, end } = setup();
    const own = new AbortController();
    const given = informers.synced(own.signal);
    const other = informers.synced(new AbortController().signal);
    own.abort(new Error('given up'));
    await expect(given).rejects.toThrow('given up');
    await expect(informers.synced(own.signal)).rejects.toThrow('given up');
    client.say(state(1));
    await settle();
    await other;
    await informers.synced(own.signal);
    await end();
  });

  it('apply each batch as a whole, deliver its changes, and then show its revision', async () => {
    const { client, informers, told, shown, lines, names, settle, end } = setup();
    client.say(state(5, object('Pod', 'a/1', 3), object('Pod', 'a/2', 4)));
    const changed = object('Pod', 'a/1', 6);
    client.say(
      batch(
        7,
        event('MODIFIED', changed),
        event('DELETED', object('Pod', 'a/2', 7)),
        event('ADDED', object('Node', 'n', 7)),
      ),
    );
    await settle();
    expect(lines(told[1])).toEqual(['Pod a/1 3 → 6', 'Pod a/2 4 → -', 'Node n - → 7']);
    expect(told[1]?.[1]).not.toHaveProperty('after');
    expect(shown).toEqual([5, 7]);
    expect([names('Pod'), names('Node')]).toEqual([['1'], ['n']]);
    expect(informers.of('Pod').get('a/1')).toBe(changed);
    expect(informers.of('Pod').get('a/2')).toBeUndefined();
    await end();
  });

  it('advance with batches that do not affect their objects, without a change', async () => {
    const { client, informers, told, settle, end } = setup();
    client.say(state(5, object('Pod', 'a/1', 3)));
    client.say(batch(8));
    client.say(batch(9, event('DELETED', object('Pod', 'a/unknown', 9))));
    client.say(batch(10, event('MODIFIED', object('Pod', 'a/1', 3))));
    await settle();
    expect([informers.revision, told.length]).toEqual([10, 1]);
    await end();
  });

  it('take a batch with changes as the one that completes the first state', async () => {
    const { client, informers, told, lines, settle, end } = setup();
    client.say({ ...state(5, object('Pod', 'a/1', 3)), synced: false });
    client.say(batch(6, event('DELETED', object('Pod', 'a/1', 6))));
    await settle();
    expect(told.map(lines)).toEqual([['Pod a/1 - → 3'], ['Pod a/1 3 → -']]);
    expect(informers.revision).toBe(6);
    await end();
  });

  it('call every handler', async () => {
    const { client, informers, settle, end } = setup();
    const more: string[] = [];
    informers.onChange((changes) => more.push(`first ${changes.length}`));
    informers.onChange((changes) => more.push(`second ${changes.length}`));
    client.say(state(5, object('Pod', 'a/1', 3)));
    await settle();
    expect(more).toEqual(['first 1', 'second 1']);
    await end();
  });

  it('refuse a kind that they were not made for', () => {
    expect(() => setup().informers.of('Secret')).toThrow('Secret');
  });
});

describe('after a gap informers', () => {
  it('keep their state until a new initial state is complete, then deliver the difference as one change', async () => {
    const { clock, client, informers, told, shown, lines, names, settle, end } = setup();
    client.say(
      state(
        5,
        object('Pod', 'a/same', 1),
        object('Pod', 'a/old', 2),
        object('Pod', 'a/gone', 3),
        object('Node', 'gone', 4),
      ),
    );
    await settle();
    client.end(new ApiError('Expired', 'too old'));
    await clock.advance(100);
    expect(client.watches).toBe(2);
    client.say({ ...state(9, object('Pod', 'a/same', 1)), synced: false });
    await settle();
    expect([informers.revision, names('Pod'), names('Node')]).toEqual([5, ['gone', 'old', 'same'], ['gone']]);
    client.say(state(9, object('Pod', 'a/old', 8), object('Pod', 'a/new', 9)));
    await settle();
    expect(lines(told[1])).toEqual(['Pod a/old 2 → 8', 'Pod a/new - → 9', 'Pod a/gone 3 → -', 'Node gone 4 → -']);
    expect([shown, names('Pod'), names('Node')]).toEqual([[5, 9], ['new', 'old', 'same'], []]);
    await end();
  });

  it('deliver nothing when nothing was missed', async () => {
    const { clock, client, informers, told, settle, end } = setup();
    client.say(state(5, object('Pod', 'a/1', 3)));
    await settle();
    client.end();
    client.say(state(5, object('Pod', 'a/1', 3)));
    await clock.advance(100);
    expect([client.watches, informers.revision, told.length]).toEqual([2, 5, 1]);
    await end();
  });

  it('deliver the previous object when one was replaced under the same name', async () => {
    const { clock, client, told, settle, end } = setup();
    const one = object('Pod', 'a/1', 3);
    const other = object('Pod', 'a/1', 8);
    client.say(state(5, one));
    await settle();
    client.end();
    client.say(state(9, other));
    await clock.advance(100);
    expect(told[1]).toEqual([{ kind: 'Pod', key: 'a/1', before: one, after: other }]);
    await end();
  });

  it('never go back: they refuse the state of a server that is behind, and ask again until it has caught up', async () => {
    const { clock, client, informers, told, shown, names, settle, end } = setup();
    client.say(state(5, object('Pod', 'a/1', 3)), batch(8, event('ADDED', object('Pod', 'a/2', 8))));
    await settle();
    client.end(new ApiError('ServiceUnavailable', 'the connection broke'));
    client.say(state(7, object('Pod', 'a/1', 3)));
    await clock.advance(60);
    expect([client.watches, informers.revision, names('Pod'), told.length]).toEqual([2, 8, ['1', '2'], 2]);
    client.say(state(8, object('Pod', 'a/1', 3), object('Pod', 'a/2', 8)));
    client.say(batch(9, event('DELETED', object('Pod', 'a/2', 9))));
    await clock.advance(200);
    expect([client.watches, informers.revision, names('Pod'), shown]).toEqual([3, 9, ['1'], [5, 8, 9]]);
    await end();
  });

  it('start a broken watch again after waits that double up to a cap', async () => {
    const { clock, client, settle, end } = setup();
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      const { watches } = client;
      client.end(new ApiError('ServiceUnavailable', 'broken'));
      await settle();
      const began = clock.monotonic();
      await clock.advanceUntil(() => client.watches > watches, 10_000, 5);
      waits.push(clock.monotonic() - began);
    }
    // Half of each wait is by chance, which gives nothing here.
    expect(waits).toEqual([25, 50, 100, 200, 400, 800, 1_600, 2_500, 2_500]);
    await end();
  });

  it('start it again soon when it had been healthy before', async () => {
    const { clock, client, settle, end } = setup();
    for (let i = 0; i < 6; i++) {
      client.end(new ApiError('ServiceUnavailable', 'broken'));
      await clock.advance(5_000);
    }
    await clock.advance(60_000);
    const { watches } = client;
    client.end(new ApiError('ServiceUnavailable', 'broken'));
    await clock.advance(30);
    expect(client.watches).toBe(watches + 1);
    client.end();
    await settle();
    await clock.advance(30);
    expect(client.watches).toBe(watches + 1);
    await clock.advance(30);
    expect(client.watches).toBe(watches + 2);
    await end();
  });

  it('end by their signal, in a watch and in a wait, and start no further watch', async () => {
    for (const waits of [false, true]) {
      const { clock, client, settle, end } = setup();
      client.say(state(1));
      await settle();
      if (waits) client.end();
      await settle();
      await end();
      await clock.advance(10_000);
      expect(client.watches).toBe(1);
    }
  });
});

describe('the copies of informers', () => {
  const keys = (found: Iterable<KubeObject>): string[] => [...found].map(({ metadata }) => metadata.name).sort();

  it('are found by namespace, by their controller and, pods, by their node', async () => {
    const { client, informers, settle, end } = setup(['Pod', 'Node', 'ConfigMap']);
    const on = (nodeName: string) => ({ spec: { nodeName } });
    client.say(
      state(
        5,
        object('Pod', 'a/1', 1, { ...on('n'), owner: 'set' }),
        object('Pod', 'a/2', 1, { ...on('m'), owner: 'set' }),
        object('Pod', 'b/3', 1, on('n')),
        object('Pod', 'b/4', 1),
        object('Node', 'n', 1),
        object('ConfigMap', 'a/5', 1, on('n')),
      ),
    );
    await settle();
    const pods = informers.of('Pod');
    expect([pods.size, informers.of('Node').size]).toEqual([4, 1]);
    expect([keys(pods.by('namespace', 'a')), keys(pods.by('namespace', 'c'))]).toEqual([['1', '2'], []]);
    expect([keys(pods.by('node', 'n')), keys(pods.by('node', 'm'))]).toEqual([['1', '3'], ['2']]);
    expect(keys(informers.of('ConfigMap').by('node', 'n'))).toEqual([]);
    expect([keys(pods.by('owner', 'set')), keys(pods.by('owner', 'other'))]).toEqual([['1', '2'], []]);
    expect([keys(pods.by('owner', unowned('b'))), keys(pods.by('owner', unowned('a')))]).toEqual([['3', '4'], []]);
    expect(keys(informers.of('Node').by('owner', unowned()))).toEqual(['n']);
    expect(keys(informers.of('Node').by('namespace', ''))).toEqual([]);
    await end();
  });

  it('are found as they are now: a change or an end takes them out where they were', async () => {
    const { client, informers, settle, end } = setup();
    const pods = informers.of('Pod');
    const at = (version: number, nodeName: string, owner: string) =>
      object('Pod', 'a/1', version, { spec: { nodeName }, owner });
    const other = object('Pod', 'a/2', 1, { spec: { nodeName: 'n' }, owner: 'x' });
    const moved = at(6, 'm', 'y');
    client.say(state(5, at(1, 'n', 'x'), other), batch(6, event('MODIFIED', moved)));
    await settle();
    expect([keys(pods.by('node', 'n')), keys(pods.by('owner', 'x')), [...pods.by('node', 'm')]]).toEqual([
      ['2'],
      ['2'],
      [moved],
    ]);
    expect(keys(pods.by('namespace', 'a'))).toEqual(['1', '2']);
    client.say(batch(7, event('DELETED', at(7, 'm', 'y')), event('DELETED', other)));
    await settle();
    for (const found of [
      pods.by('node', 'm'),
      pods.by('node', 'n'),
      pods.by('owner', 'y'),
      pods.by('namespace', 'a'),
    ]) {
      expect(keys(found)).toEqual([]);
    }
    expect(pods.size).toBe(0);
    await end();
  });
});
