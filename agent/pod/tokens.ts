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
  /** Rejects when the control plane does not give one now. */
  request(request: PodTokenRequest, signal: AbortSignal): Promise<PodToken>;
}

/** A token is renewed after this part of its life, as in the kubelet, less a jitter. */
const lifeShare = 0.8;
const jitterShare = 0.05;
/** Milliseconds after which a token is renewed at the latest. */
const longestMs = 24 * 60 * 60 * 1000;
/** Milliseconds between tries to renew a token. */
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

/** The tokens of the pod's volumes by their id, each once. */
function tokenProjections({ spec }: Pod): Map<string, ServiceAccountTokenProjection> {
  const projections = (spec.volumes ?? []).flatMap(tokensOf);
  return new Map(projections.map((projection) => [idOf(projection), projection]));
}

/** When the first token of the pod is to be renewed; undefined when it has none. */
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
 * The pod's inputs with its tokens; requests those that are missing, expired or to be renewed. When a request fails the token before stays
 * in use, even when it has expired. Without one, reading it throws TokenError; a pod that has run before can start without it.
 */
export async function withTokens(deps: TokenDeps, context: TokenContext, signal: AbortSignal): Promise<PodInputs> {
  const { inputs, tokens: source, clock } = deps;
  const projections = tokenProjections(context.pod);
  if (projections.size === 0) return inputs;
  if (!source) return { ...inputs, token: () => '' };
  const before = context.memory.tokens ?? {};
  const now = clock.now();
  // A pod starts with the tokens that it has, and renews them once it runs: it need not wait for the control plane.
  const { mounted: renewing } = context.progress;
  const outdated = [...projections].filter(([id]) => {
    const held = before[id];
    return !held || held.expires <= now || (renewing && held.renewAt <= now);
  });
  const results = await Promise.allSettled(
    outdated.map(async ([id, projection]): Promise<[string, HeldToken]> => {
      const granted = await source.request(requestFor(context.pod, projection), signal);
      return [id, { ...granted, renewAt: renewAt(granted, now, deps.random) }];
    }),
  );
  const renewed = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const held = { ...before, ...Object.fromEntries(renewed) };
  if (renewed.length > 0) context.setMemory({ tokens: held });
  const failed = results.find((result) => result.status === 'rejected');
  const err = failed && messageOf(failed.reason);
  if (failed) deps.log.warn({ key: keyOf(context.pod), err }, 'a token of the pod was not renewed');
  context.setProgress({ tokensFailure: failed && { at: now, retryAt: now + retryMs } });
  return {
    ...inputs,
    token(projection) {
      const token = held[idOf(projection)]?.token;
      if (token === undefined && err !== undefined) throw new TokenError(`failed to fetch token: ${err}`);
      return token;
    },
    ...(context.memory.nextSandbox > 0
      ? { withoutTokens: { ...inputs, token: (projection) => held[idOf(projection)]?.token } }
      : {}),
  };
}

function requestFor({ metadata, spec }: Pod, projection: ServiceAccountTokenProjection): PodTokenRequest {
  return {
    namespace: metadata.namespace ?? '',
    account: spec.serviceAccountName || 'default',
    pod: { name: metadata.name, uid: metadata.uid },
    audience: projection.audience,
    expirationSeconds: projection.expirationSeconds,
  };
}

function renewAt({ expires }: PodToken, now: number, random: Random): number {
  const share = lifeShare - fraction(random) * jitterShare;
  return now + Math.min((expires - now) * share, longestMs);
}

function idOf({ audience = '', expirationSeconds = 0 }: ServiceAccountTokenProjection): string {
  return `${audience}|${expirationSeconds}`;
}
