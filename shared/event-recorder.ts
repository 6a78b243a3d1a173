import { backoffMs } from './backoff.ts';
import type { Client } from './client.ts';
import { type Clock, formatMicroTime, formatTime } from './clock.ts';
import { isApiError, messageOf } from './errors.ts';
import { type CorrelatorLimits, EventCorrelator } from './event-correlator.ts';
import { EventNames } from './event-names.ts';
import type { Event, ObjectReference } from './generated/types.ts';
import type { Log } from './log.ts';
import type { Draft, KubeObject } from './object.ts';
import type { Random } from './random.ts';

/**
 * Records Kubernetes' events about objects. `event` returns at once and never fails: repetitions raise the count of one Event object,
 * similar events are combined (`event-correlator.ts`), writes are rate-limited, and events beyond the buffer are dropped.
 */
export interface EventRecorder {
  /** Records one occurrence. `reason`: CamelCase, for programs; `message`: for people. */
  event(object: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string, action?: EventAction): void;
  /** A recorder for another component, with its `client` if given; buffer and limits are shared. */
  of(component: string, client?: EventClient): EventRecorder;
  /** Resolves when all events are written, or when the recorder's signal is aborted. */
  idle(): Promise<void>;
  /** The occurrences that were not written, since the start. */
  readonly dropped: number;
}

export type EventClient = Pick<Client, 'create' | 'patch'>;

/** The action that failed or succeeded. An event with one has the form of events.k8s.io: eventTime, and a series for repetitions. */
export interface EventAction {
  /** CamelCase, for programs: `Binding`. */
  readonly action: string;
  /** A second object that took part. */
  readonly related?: KubeObject;
  /** A repetition: it is counted, and ignored when the recorder has no earlier one. */
  readonly again?: boolean;
}

export interface EventRecorderDeps {
  readonly client: EventClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The reporting component: `scheduler`, `kubelet` … */
  readonly component: string;
  /** The component's host; of an event without an action, the node of the object. */
  readonly host?: string;
  /** Stops writing; events in the buffer are dropped. */
  readonly signal?: AbortSignal;
  readonly limits?: Partial<EventLimits>;
  readonly correlation?: Partial<CorrelatorLimits>;
}

export interface EventLimits {
  /** The size of the buffer, in distinct events. */
  readonly waiting: number;
  /** The number of Event objects whose repetitions are counted. */
  readonly remembered: number;
  /** Writes per second. */
  readonly perSecond: number;
  /** Writes in a burst. */
  readonly burst: number;
}

const defaultLimits: EventLimits = { waiting: 1_000, remembered: 2_000, perSecond: 50, burst: 300 };
/** After this many failures in a row the first event of the buffer is dropped. */
const maxAttempts = 4;
const retryBackoff = { firstMs: 200, capMs: 5_000 };
/** Kubernetes' own bound of Event.message. */
const maxMessage = 1_024;

/** The reporting component and its client. */
interface Reporter {
  readonly component: string;
  readonly client: EventClient;
}

interface Waiting {
  readonly key: string;
  readonly reporter: Reporter;
  readonly object: KubeObject;
  readonly type: string;
  readonly reason: string;
  readonly action?: EventAction;
  message: string;
  first: number;
  last: number;
  /** All occurrences. */
  count: number;
  /** Occurrences since the last write. */
  times: number;
}

interface Written {
  readonly name: string;
  readonly namespace: string;
}

export function createEventRecorder(deps: EventRecorderDeps): EventRecorder {
  const { clock, random, log, signal } = deps;
  const limits = { ...defaultLimits, ...deps.limits };
  const correlator = new EventCorrelator({ remembered: limits.remembered, ...deps.correlation });
  const names = new EventNames(random);
  const waiting = new Map<string, Waiting>();
  const written = new Map<string, Written>();
  let dropped = 0;
  let draining: Promise<void> | undefined;
  let tokens = limits.burst;
  let refilledAt = clock.monotonic();

  function record(
    reporter: Reporter,
    [object, type, reason, message, action]: Parameters<EventRecorder['event']>,
  ): void {
    if (signal?.aborted) return;
    const { kind, apiVersion, metadata } = object;
    const now = clock.now();
    const correlated = correlator.note(
      {
        source: `${reporter.component}, ${deps.host ?? ''}`,
        object: [kind, metadata.namespace, metadata.name, metadata.uid, apiVersion].join('/'),
        type,
        reason,
        message: message.length > maxMessage ? `${message.slice(0, maxMessage - 1)}…` : message,
        series: action !== undefined,
      },
      now,
    );
    if (action?.again && correlated.count === 1) return;
    if (!correlated.write) {
      dropped++;
      return;
    }
    const text = correlated.message.slice(0, maxMessage);
    const same = waiting.get(correlated.key);
    if (same) {
      Object.assign(same, { last: now, count: correlated.count, times: same.times + 1, message: text });
    } else if (waiting.size >= limits.waiting) {
      dropped++;
      return;
    } else {
      const { key, count, first } = correlated;
      waiting.set(key, {
        key,
        reporter,
        object,
        type,
        reason,
        action,
        count,
        first,
        message: text,
        last: now,
        times: 1,
      });
    }
    draining ??= drain().finally(() => {
      draining = undefined;
    });
  }

  async function drain(): Promise<void> {
    let failures = 0;
    // Yields first: synchronous repetitions become one write.
    await Promise.resolve();
    try {
      for (;;) {
        const [next] = waiting.values();
        if (!next || signal?.aborted) break;
        await takeToken();
        waiting.delete(next.key);
        try {
          await write(next);
          failures = 0;
        } catch (error) {
          if (isApiError(error, 'ServiceUnavailable', 'Timeout', 'TooManyRequests') && ++failures < maxAttempts) {
            if (!waiting.has(next.key)) waiting.set(next.key, next);
            await clock.sleep(backoffMs(failures, retryBackoff, random), signal);
          } else {
            failures = 0;
            dropped += next.times;
            log.debug({ reason: next.reason, err: messageOf(error) }, 'event not written');
          }
        }
      }
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
    if (signal?.aborted) waiting.clear();
  }

  async function takeToken(): Promise<void> {
    refill();
    if (tokens < 1) {
      await clock.sleep(Math.ceil(((1 - tokens) / limits.perSecond) * 1000), signal);
      refill();
    }
    tokens = Math.max(0, tokens - 1);
  }

  function refill(): void {
    const now = clock.monotonic();
    tokens = Math.min(limits.burst, tokens + ((now - refilledAt) / 1000) * limits.perSecond);
    refilledAt = now;
  }

  async function write(entry: Waiting): Promise<void> {
    const { client } = entry.reporter;
    const known = written.get(entry.key);
    if (known) {
      try {
        const body = { ...repetitions(entry), message: entry.message };
        await client.patch('Event', known.name, { type: 'merge', body }, { namespace: known.namespace });
        written.delete(entry.key);
        written.set(entry.key, known);
        return;
      } catch (error) {
        // The Event object has been deleted: another one is created.
        if (!isApiError(error, 'NotFound')) throw error;
        written.delete(entry.key);
        const restarted = { count: entry.times, first: entry.last };
        correlator.restart(entry.key, restarted.count, restarted.first);
        Object.assign(entry, restarted);
      }
    }
    const made = draft(entry);
    await client.create('Event', made);
    written.set(entry.key, { name: made.metadata.name, namespace: made.metadata.namespace ?? '' });
    for (const oldest of written.keys()) {
      if (written.size <= limits.remembered) break;
      written.delete(oldest);
    }
  }

  function draft(entry: Waiting) {
    const { object, action, reporter } = entry;
    const { component } = reporter;
    const { host } = deps;
    // Kubernetes keeps events of cluster-scoped objects in `default`.
    const namespace = object.metadata.namespace || 'default';
    return {
      metadata: { name: names.next(object.metadata.name, entry.first), namespace },
      involvedObject: referenceTo(object),
      type: entry.type,
      reason: entry.reason,
      message: entry.message,
      ...(action
        ? {
            eventTime: formatMicroTime(entry.first),
            action: action.action,
            ...(action.related ? { related: referenceTo(action.related) } : {}),
            ...(entry.count > 1 ? repetitions(entry) : {}),
          }
        : {
            source: { component, ...(host ? { host } : {}) },
            firstTimestamp: formatTime(entry.first),
            ...repetitions(entry),
          }),
      reportingComponent: component,
      reportingInstance: action ? [component, ...(host ? [host] : [])].join('-') : (host ?? ''),
    } satisfies Draft<Event>;
  }

  const recorderOf = (reporter: Reporter): EventRecorder => ({
    event: (...event) => record(reporter, event),
    of: (component, client = reporter.client) => recorderOf({ component, client }),
    async idle() {
      while (draining) await draining;
    },
    get dropped() {
      return dropped;
    },
  });
  return recorderOf(deps);
}

function repetitions({ action, count, last }: Waiting): Partial<Event> {
  return action
    ? { series: { count, lastObservedTime: formatMicroTime(last) } }
    : { count, lastTimestamp: formatTime(last) };
}

function referenceTo({ kind, apiVersion, metadata }: KubeObject): ObjectReference {
  const { namespace, name, uid, resourceVersion } = metadata;
  return { kind, apiVersion, name, uid, resourceVersion, ...(namespace ? { namespace } : {}) };
}
