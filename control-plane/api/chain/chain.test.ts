import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../shared/errors.ts';
import { silentLog } from '../../../shared/log.ts';
import { seededRandom } from '../../../shared/random.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { anonymous } from '../auth/authentication.ts';
import type { ShownCredentials } from '../auth/authenticator.ts';
import type { Identity } from '../auth/identity.ts';
import type { Credential } from '../auth/live-credentials.ts';
import { Auditor } from './audit/auditor.ts';
import { parsePolicy } from './audit/policy.ts';
import { codeOf } from './audit/trail.ts';
import { Chain, type ChainDeps } from './chain.ts';
import { FairGate } from './fairness/gate.ts';
import { levels } from './fairness/levels.ts';
import type { ChainContext, Outcome, WireRequest } from './request.ts';

const ann: Identity = { user: 'ann', groups: ['system:authenticated'] };
const forbidden = new ApiError('Forbidden', 'no');

/** A request of a wire that a test makes up; `log` holds what happens to it, in order. */
class TestRequest implements WireRequest {
  readonly log: string[];
  readonly context: ChainContext;
  readonly info = { verb: 'get', group: '', version: 'v1', resource: 'pods', namespace: 'a', name: 'p' };
  readonly longRunning: boolean;
  readonly auditedByApi: boolean;
  readonly timeoutMs = 60_000;
  readonly cutOff?: AbortSignal;
  readonly #controller = new AbortController();
  delivered: () => Promise<void> | undefined = () => undefined;

  constructor(log: string[], parts: TestParts = {}) {
    this.log = log;
    this.longRunning = parts.longRunning ?? false;
    this.auditedByApi = parts.auditedByApi ?? false;
    const { signal } = this.#controller;
    if (parts.isCutOff) this.cutOff = signal;
    this.context = { identity: anonymous, signal, warnings: [], auditSource: { uri: '/x', auditID: 'id' } };
  }

  credentials(): ShownCredentials {
    this.log.push('authenticate');
    return { certificate: undefined, untrusted: false, headers: {}, distinct: () => ({}) };
  }

  seats(): number {
    this.log.push('fairness');
    return 1;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  refuse(error: unknown): void {
    this.log.push(`refuse ${(error as ApiError).reason}`);
  }

  outcome(failure: unknown): Outcome {
    return failure instanceof ApiError ? { code: codeOf(failure), error: failure } : { code: 200 };
  }

  measured(ms: number): void {
    this.log.push(`measure ${ms}`);
  }
}

interface TestParts {
  readonly longRunning?: boolean;
  readonly auditedByApi?: boolean;
  readonly isCutOff?: boolean;
}

describe('the chain', () => {
  const clock = new VirtualClock();

  /** A chain whose audit events go into `log`, as `STAGE USER CODE`. */
  function chainOf(log: string[], more: Partial<ChainDeps> = {}): { chain: Chain; gate: FairGate } {
    const sink = {
      offer(line: string) {
        const { stage, user, responseStatus } = JSON.parse(line);
        log.push([stage, user.username, responseStatus?.code].filter(Boolean).join(' '));
        return true;
      },
      write: async () => undefined,
      close: async () => undefined,
    };
    const policy = parsePolicy('{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}');
    const audit = { policy, sink, strict: false };
    const auditor = new Auditor({ clock, random: seededRandom(1), log: silentLog, audit });
    const gate = new FairGate({ clock });
    const authenticator = { authenticate: () => ({ identity: ann }) };
    return { chain: new Chain({ clock, log: silentLog, authenticator, auditor, gate, ...more }), gate };
  }

  it('lets a request through its stages in the order of Kubernetes', async () => {
    const log: string[] = [];
    const request = new TestRequest(log);
    await chainOf(log).chain.serve(request, async () => {
      log.push(`handle ${request.context.identity.user}`);
      await clock.advance(5);
    });
    expect(log).toEqual([
      'authenticate',
      'RequestReceived ann',
      'fairness',
      'handle ann',
      'measure 5',
      'ResponseComplete ann 200',
    ]);
  });

  it('refuses a request that fails authentication before any other stage, and audits the refusal', async () => {
    const log: string[] = [];
    const request = new TestRequest(log);
    const authenticator: ChainDeps['authenticator'] = { authenticate: () => Promise.reject(forbidden) };
    await chainOf(log, { authenticator }).chain.serve(request, async () => void log.push('handle'));
    expect(log).toEqual([
      'authenticate',
      'refuse Forbidden',
      'measure 0',
      'RequestReceived system:anonymous',
      'ResponseComplete system:anonymous 403',
    ]);
  });

  it('leaves the trail of a gRPC call to the Api, unless it is refused before', async () => {
    const log: string[] = [];
    const { chain } = chainOf(log);
    await chain.serve(new TestRequest(log, { auditedByApi: true }), async () => undefined);
    expect(log).toEqual(['authenticate', 'fairness', 'measure 0']);
    log.length = 0;
    await chain.serve(new TestRequest(log, { auditedByApi: true }), () => Promise.reject(forbidden));
    expect(log.slice(-2)).toEqual(['RequestReceived ann', 'ResponseComplete ann 403']);
  });

  it('aborts the signal at the deadline, and when the request fails', async () => {
    const request = new TestRequest([]);
    const served = chainOf([]).chain.serve(request, async () => {
      await new Promise((_resolve, reject) => {
        request.context.signal.addEventListener('abort', () => reject(request.context.signal.reason));
      });
    });
    await clock.advance(59_999);
    expect(request.context.signal.aborted).toBe(false);
    await clock.advance(1);
    await served;
    expect(request.log.at(-2)).toBe('refuse Timeout');
    const failed = new TestRequest([]);
    await chainOf([]).chain.serve(failed, () => Promise.reject(forbidden));
    expect(failed.context.signal.reason).toBe(forbidden);
  });

  it('keeps the seat of a request that was cut off until its handler has ended', async () => {
    const { chain, gate } = chainOf([]);
    let finish: () => void = () => undefined;
    const request = new TestRequest([], { isCutOff: true });
    const served = chain.serve(request, () => new Promise((resolve) => (finish = resolve)));
    request.abort(new ApiError('Timeout', 'late'));
    await served;
    expect(request.log).toContain('refuse Timeout');
    const next = gate.enter(ann, levels.workload.perUser, () => new AbortController().signal);
    expect(next).toBeInstanceOf(Promise);
    finish();
    await next;
  });

  it('keeps the seat of an answer that its client has not taken', async () => {
    const { chain, gate } = chainOf([]);
    let take: () => void = () => undefined;
    const request = new TestRequest([]);
    request.delivered = () => new Promise((resolve) => (take = resolve));
    await chain.serve(request, async () => undefined);
    const next = gate.enter(ann, levels.workload.perUser, () => new AbortController().signal);
    expect(next).toBeInstanceOf(Promise);
    take();
    await next;
  });

  it('ends a long-running request with the credential of its sender, and without a deadline', async () => {
    let end: (error: ApiError) => void = () => undefined;
    const followed: (Credential | undefined)[] = [];
    const live: ChainDeps['live'] = {
      follow: (credential, onEnd) => {
        followed.push(credential);
        end = onEnd;
        return () => undefined;
      },
    };
    const credential = { notAfter: 1 };
    const authenticator = { authenticate: () => ({ identity: ann, credential }) };
    const { chain } = chainOf([], { live, authenticator });
    const request = new TestRequest([], { longRunning: true });
    const { signal } = request.context;
    const served = chain.serve(request, async () => {
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    await Promise.resolve();
    await Promise.resolve();
    end(new ApiError('Unauthorized', 'expired'));
    await served;
    expect(followed).toEqual([credential]);
    expect(request.log).toContain('refuse Unauthorized');
  });
});
