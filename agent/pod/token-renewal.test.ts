import { describe, expect, it } from 'vitest';
import type { Pod, ServiceAccountTokenProjection } from '../../shared/generated/types.ts';
import { silentLog } from '../../shared/log.ts';
import { type Random, seededRandom } from '../../shared/random.ts';
import type { PodToken, PodTokenRequest } from '../../shared/rpc/tokens.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { makePod } from '../../test/support/hollow-agent.ts';
import { podInputs } from '../../test/support/pod-inputs.ts';
import { TokenError } from './inputs.ts';
import { emptyProgress, newMemory, type PodMemory, type PodProgress } from './model.ts';
import { tokenRenewal, withTokens } from './tokens.ts';

const hour = 3_600_000;
type Wish = ServiceAccountTokenProjection;
const wish: Wish = { audience: 'vault', expirationSeconds: 3600, path: 'token' };
const signal = new AbortController().signal;

function showing(...wishes: Wish[]): Pod {
  const sources = wishes.map((serviceAccountToken) => ({ serviceAccountToken }));
  return makePod('web', {
    volumes: [
      { name: 'a', emptyDir: {} },
      { name: 'b', projected: { sources } },
    ],
  });
}

/** One pod whose tokens come from a control plane that can be cut off for some audiences. */
class Scene {
  readonly clock = new VirtualClock();
  random: Random = seededRandom(3);
  readonly asked: PodTokenRequest[] = [];
  readonly unreachable = new Set<string | undefined>();
  lifeMs = hour;
  memory: PodMemory = newMemory(0);
  progress: PodProgress = { ...emptyProgress, mounted: true };
  pod: Pod;

  constructor(...wishes: Wish[]) {
    this.pod = showing(...wishes);
  }

  read() {
    const request = async (one: PodTokenRequest): Promise<PodToken> => {
      this.asked.push(one);
      if (this.unreachable.has(one.audience)) throw new Error('no way to the server');
      return { token: `token-${this.asked.length}`, expires: this.clock.now() + this.lifeMs };
    };
    const { clock, random, pod, memory, progress } = this;
    return withTokens(
      { tokens: { request }, inputs: podInputs(), clock, random, log: silentLog },
      {
        pod,
        memory,
        progress,
        setMemory: (change) => {
          this.memory = { ...this.memory, ...change };
        },
        setProgress: (change) => {
          this.progress = { ...this.progress, ...change };
        },
      },
      signal,
    );
  }

  /** The part of its life after which the pod's first token is to be renewed. */
  async renewedAfter(): Promise<number> {
    await this.read();
    return ((tokenRenewal(this.pod, this.memory) ?? Number.NaN) - this.clock.now()) / this.lifeMs;
  }
}

describe('the renewal of a token', () => {
  // Kubernetes, "Service account token volume projection": past 80 % of its time to live, or after 24 hours.
  it('is due after at most four fifths of its life, not at one instant for all, and never in its first half', async () => {
    const shares = new Set<number>();
    for (let seed = 1; seed <= 40; seed++) {
      const scene = new Scene(wish);
      scene.random = seededRandom(seed);
      const share = await scene.renewedAfter();
      expect(share).toBeLessThanOrEqual(0.8);
      expect(share).toBeGreaterThan(0.7);
      shares.add(share);
    }
    expect(shares.size).toBeGreaterThan(30);
  });

  it('is due after a day, however long it would live', async () => {
    const scene = new Scene(wish);
    scene.lifeMs = 300 * hour;
    expect((await scene.renewedAfter()) * scene.lifeMs).toBe(24 * hour);
  });

  it('is that of the first of several tokens, of those that the pod still shows', async () => {
    const scene = new Scene(wish, { ...wish, audience: 'late' }, { ...wish, audience: 'gone' });
    expect(tokenRenewal(scene.pod, scene.memory)).toBeUndefined();
    await scene.read();
    const at = (audience: string) => scene.memory.tokens?.[`${audience}|3600`]?.renewAt ?? 0;
    const tokens = Object.fromEntries(
      ['late', 'vault', 'gone'].map((audience, i) => {
        const held = scene.memory.tokens?.[`${audience}|3600`];
        if (!held) throw new Error(`no token for ${audience}`);
        return [`${audience}|3600`, { ...held, renewAt: 3_000 - i * 1_000 }];
      }),
    );
    expect(at('vault')).toBeGreaterThan(0);
    expect(tokenRenewal(showing(wish, { ...wish, audience: 'late' }), { ...scene.memory, tokens })).toBe(2_000);
    expect(tokenRenewal(showing({ ...wish, audience: 'late' }, wish), { ...scene.memory, tokens })).toBe(2_000);
    expect(tokenRenewal(showing({ ...wish, audience: 'none' }), { ...scene.memory, tokens })).toBeUndefined();
    expect(tokenRenewal(makePod('web'), { ...scene.memory, tokens })).toBeUndefined();
  });

  it('waits until the pod runs, unless the token is over', async () => {
    const scene = new Scene(wish);
    await scene.read();
    scene.progress = { ...emptyProgress, mounted: false };
    await scene.clock.advance(hour - 1);
    expect((await scene.read()).token?.(wish)).toBe('token-1');
    await scene.clock.advance(1);
    expect((await scene.read()).token?.(wish)).toBe('token-2');
    expect(scene.asked).toHaveLength(2);
  });

  it('is not asked for before it is due', async () => {
    const scene = new Scene(wish);
    await scene.read();
    const due = tokenRenewal(scene.pod, scene.memory) ?? 0;
    await scene.clock.advance(Math.floor(due - scene.clock.now()) - 1);
    expect((await scene.read()).token?.(wish)).toBe('token-1');
    await scene.clock.advance(2);
    expect((await scene.read()).token?.(wish)).toBe('token-2');
    expect(tokenRenewal(scene.pod, scene.memory)).toBeGreaterThan(due + hour / 2);
  });
});

describe('the tokens of a pod', () => {
  it('are one for each audience and life that its volumes ask for, and shared where they ask for the same', async () => {
    const other = { ...wish, expirationSeconds: 7200 };
    const plain: Wish = { path: 'plain' };
    const scene = new Scene(wish, { ...wish, path: 'again' }, other, { ...wish, audience: 'db' }, plain);
    const read = await scene.read();
    expect(scene.asked.map(({ audience, expirationSeconds }) => [audience, expirationSeconds])).toEqual([
      ['vault', 3600],
      ['vault', 7200],
      ['db', 3600],
      [undefined, undefined],
    ]);
    expect([wish, other, { ...wish, audience: 'db' }, plain].map((one) => read.token?.(one))).toEqual([
      'token-1',
      'token-2',
      'token-3',
      'token-4',
    ]);
  });

  it('are of the account that the pod names, or of the default one', async () => {
    const scene = new Scene(wish);
    await scene.read();
    const named = new Scene(wish);
    named.pod = { ...named.pod, spec: { ...named.pod.spec, serviceAccountName: 'robot' } };
    await named.read();
    expect([scene.asked[0]?.account, named.asked[0]?.account]).toEqual(['default', 'robot']);
    expect(named.asked[0]).toMatchObject({ namespace: 'default', pod: { name: 'web', uid: 'uid-web' } });
  });

  it('are not asked for where the pod shows none', async () => {
    const scene = new Scene();
    scene.pod = makePod('web');
    const inputs = podInputs();
    const context = { pod: scene.pod, memory: scene.memory, progress: scene.progress };
    const none = () => expect.unreachable();
    const deps = { inputs, clock: scene.clock, random: scene.random, log: silentLog };
    expect(await withTokens(deps, { ...context, setMemory: none, setProgress: none }, signal)).toBe(inputs);
    const hollow = await withTokens(
      deps,
      { ...context, pod: showing(wish), setMemory: none, setProgress: none },
      signal,
    );
    expect(hollow.token?.(wish)).toBe('');
  });

  it('are asked for beside other sources, in every volume that shows one', async () => {
    const scene = new Scene();
    const sources = [{ configMap: { name: 'settings' } }, { serviceAccountToken: wish }];
    const other = [{ serviceAccountToken: { ...wish, audience: 'db' } }];
    scene.pod = makePod('web', {
      volumes: [
        { name: 'none', projected: {} },
        { name: 'a', projected: { sources } },
        { name: 'b', projected: { sources: other } },
      ],
    });
    await scene.read();
    expect(scene.asked.map(({ audience }) => audience)).toEqual(['vault', 'db']);
  });

  it('that can be had are had, and the others are tried again after 15 seconds', async () => {
    const db = { ...wish, audience: 'db' };
    const scene = new Scene(wish, db);
    scene.unreachable.add('db');
    const read = await scene.read();
    expect(read.token?.(wish)).toBe('token-1');
    expect(() => read.token?.(db)).toThrow(new TokenError('failed to fetch token: no way to the server'));
    expect(scene.progress.tokensFailure?.retryAt).toBe(scene.clock.now() + 15_000);
    expect(Object.keys(scene.memory.tokens ?? {})).toEqual(['vault|3600']);
    scene.unreachable.clear();
    expect((await scene.read()).token?.(db)).toBe('token-3');
    expect(scene.progress.tokensFailure).toBeUndefined();
    expect(Object.keys(scene.memory.tokens ?? {})).toEqual(['vault|3600', 'db|3600']);
  });

  it('serve on when they are over and no other can be had', async () => {
    const scene = new Scene(wish);
    await scene.read();
    scene.unreachable.add('vault');
    await scene.clock.advance(2 * hour);
    const before = scene.memory;
    expect((await scene.read()).token?.(wish)).toBe('token-1');
    expect(scene.memory).toBe(before);
    expect(scene.progress.tokensFailure?.retryAt).toBe(scene.clock.now() + 15_000);
  });

  it('may be missing only where the pod has run before', async () => {
    const scene = new Scene(wish);
    scene.unreachable.add('vault');
    expect((await scene.read()).withoutTokens).toBeUndefined();
    scene.memory = { ...scene.memory, nextSandbox: 1 };
    const { withoutTokens } = await scene.read();
    expect(withoutTokens?.token?.(wish)).toBeUndefined();
    scene.unreachable.clear();
    expect((await scene.read()).withoutTokens?.token?.(wish)).toBe('token-3');
    // A wish that is not the pod's own has no token, and no failure either.
    expect((await scene.read()).token?.({ ...wish, audience: 'other' })).toBeUndefined();
  });
});
