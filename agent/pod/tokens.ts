import type { Clock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Pod, ServiceAccountTokenProjection } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import { keyOf } from '../../shared/object.ts';
import { fraction, type Random } from '../../shared/random.ts';
import type { PodToken, PodTokenRequest } from '../../shared/rpc/tokens.ts';
import { tokensOf } from '../volumes/sources.ts';
import { type PodInputs, TokenError } from './inputs.ts';
import type { HeldToken, PodMemory, PodProgress } from './model.ts';

/** Where the tokens of pods come from: the control plane. */
export interface TokenSource {
  /** Rejects when there is none to be had now. */
  request(wish: PodTokenRequest, signal: AbortSignal): Promise<PodToken>;
}

/** The part of a token's life after which a new one is asked for, as in the kubelet; a little less, so that not all are asked for at once. */
const lifeShare = 0.8;
const jitterShare = 0.05;
/** None is kept for longer than this, however long it would live (ms). */
const longestMs = 24 * 60 * 60 * 1000;
/** After a failure, while there is still a token (ms). */
const retryMs = 15_000;

interface TokenDeps {
  readonly tokens?: TokenSource | undefined;
  readonly inputs: PodInputs;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

interface TokenContext {
  readonly pod: Pod;
  readonly memory: PodMemory;
  readonly progress: PodProgress;
  setMemory(change: Partial<PodMemory>): void;
  setProgress(change: Partial<PodProgress>): void;
}

/** The tokens that the pod's volumes show, each once. */
function tokenProjections({ spec }: Pod): Map<string, ServiceAccountTokenProjection> {
  const projections = (spec.volumes ?? []).flatMap(tokensOf);
  return new Map(projections.map((projection) => [idOf(projection), projection]));
}

/** When the first of the tokens that the pod holds is to be renewed; undefined when it holds none. */
export function tokenRenewal(pod: Pod, { tokens }: PodMemory): number | undefined {
  if (!tokens) return undefined;
  let first: number | undefined;
  for (const id of tokenProjections(pod).keys()) {
    const at = tokens[id]?.renewAt;
    if (at !== undefined && (first === undefined || at < first)) first = at;
  }
  return first;
}

/**
 * What the pod reads, with its tokens: those at hand, and new ones for those that are missing, over or to be renewed. When one cannot be
 * had, the one before serves on, even when it is over: a pod runs without the control plane as it ran before. Reading one that is not
 * at hand throws TokenError; a pod that has run before can be started without it.
 */
export async function withTokens(deps: TokenDeps, context: TokenContext, signal: AbortSignal): Promise<PodInputs> {
  const { inputs, tokens: source, clock } = deps;
  const wishes = tokenProjections(context.pod);
  if (wishes.size === 0) return inputs;
  if (!source) return { ...inputs, token: () => '' };
  const known = context.memory.tokens ?? {};
  const now = clock.now();
  // A pod that is started again needs nobody's answer while its token is good: it is renewed once the pod runs.
  const { mounted: renewing } = context.progress;
  const outdated = [...wishes].filter(([id]) => {
    const held = known[id];
    return !held || held.expires <= now || (renewing && held.renewAt <= now);
  });
  const results = await Promise.allSettled(
    outdated.map(async ([id, wish]): Promise<[string, HeldToken]> => {
      const granted = await source.request(requestFor(context.pod, wish), signal);
      return [id, { ...granted, renewAt: renewAt(granted, now, deps.random) }];
    }),
  );
  const renewed = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const held = { ...known, ...Object.fromEntries(renewed) };
  if (renewed.length > 0) context.setMemory({ tokens: held });
  const failed = results.find((result) => result.status === 'rejected');
  const err = failed && messageOf(failed.reason);
  if (failed) deps.log.warn({ key: keyOf(context.pod), err }, 'a token of the pod could not be had');
  context.setProgress({ tokensFailure: failed && { at: now, retryAt: now + retryMs } });
  return {
    ...inputs,
    token(wish) {
      const token = held[idOf(wish)]?.token;
      if (token === undefined && err !== undefined) throw new TokenError(`failed to fetch token: ${err}`);
      return token;
    },
    ...(context.memory.nextSandbox > 0
      ? { withoutTokens: { ...inputs, token: (wish) => held[idOf(wish)]?.token } }
      : {}),
  };
}

function requestFor({ metadata, spec }: Pod, wish: ServiceAccountTokenProjection): PodTokenRequest {
  return {
    namespace: metadata.namespace ?? '',
    account: spec.serviceAccountName || 'default',
    pod: { name: metadata.name, uid: metadata.uid },
    audience: wish.audience,
    expirationSeconds: wish.expirationSeconds,
  };
}

function renewAt({ expires }: PodToken, now: number, random: Random): number {
  const share = lifeShare - fraction(random) * jitterShare;
  return now + Math.min((expires - now) * share, longestMs);
}

function idOf({ audience = '', expirationSeconds = 0 }: ServiceAccountTokenProjection): string {
  return `${audience}|${expirationSeconds}`;
}
