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
 * Tells people what happened to an object, as Kubernetes' events. Telling is never worth waiting for: `event` returns
 * at once, a repetition only raises the count of the event that is already there, similar ones are combined
 * (`event-correlator.ts`), writes are limited in rate, and what does not fit into the buffer is dropped.
 */
export interface EventRecorder {
  /** Notes one occurrence. `type`: Normal or Warning; `reason`: CamelCase, for machines; `message`: for people. */
  event(object: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string, action?: EventAction): void;
  /** The same under another component's name, and by its `client` if it has one; what it remembers and its limits are shared. */
  of(component: string, client?: EventClient): EventRecorder;
  /** Resolves when nothing waits to be written, or when the recorder's signal is aborted. */
  idle(): Promise<void>;
  /** How many occurrences were not written, since the start. */
  readonly dropped: number;
}

export type EventClient = Pick<Client, 'create' | 'patch'>;

/** What was being done. An event with it is told in the form of events.k8s.io: with the moment, and a series for repetitions. */
export interface EventAction {
  /** CamelCase, for machines: `Binding`. */
  readonly action: string;
  /** Who else had a part in it. */
  readonly related?: KubeObject;
  /** As at the last try: it counts, and is nothing new when the recorder remembers none before. */
  readonly again?: boolean;
}

export interface EventRecorderDeps {
  readonly client: EventClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Who tells: `scheduler`, `kubelet` … */
  readonly component: string;
  /** The machine of the one who tells; of an event without an action, the node that it happened on. */
  readonly host?: string;
  /** Stops the writing; what still waits is dropped. */
  readonly signal?: AbortSignal;
  readonly limits?: Partial<EventLimits>;
  readonly correlation?: Partial<CorrelatorLimits>;
}

export interface EventLimits {
  /** Distinct events that may wait to be written. */
  readonly waiting: number;
  /** Events remembered for their repetitions. */
  readonly remembered: number;
  /** Writes a second, in the long run. */
  readonly perSecond: number;
  /** Writes at once after a quiet time. */
  readonly burst: number;
}

const defaultLimits: EventLimits = { waiting: 1_000, remembered: 2_000, perSecond: 50, burst: 300 };
/** After these failures in a row the event that waits first is dropped. */
const maxAttempts = 4;
const retryBackoff = { firstMs: 200, capMs: 5_000 };
/** Kubernetes' own bound of Event.message. */
const maxMessage = 1_024;

/** Who tells, and by what. */
interface Teller {
  readonly component: string;
  readonly client: EventClient;
}

interface Waiting {
  readonly key: string;
  readonly teller: Teller;
  readonly object: KubeObject;
  readonly type: string;
  readonly reason: string;
  readonly action?: EventAction;
  message: string;
  first: number;
  last: number;
  /** How often it has happened in all. */
  count: number;
  /** Of these, those that nobody was told of. */
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

  function note(
    teller: Teller,
    object: KubeObject,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    action?: EventAction,
  ): void {
    if (signal?.aborted) return;
    const { kind, apiVersion, metadata } = object;
    const now = clock.now();
    const said = correlator.note(
      {
        source: `${teller.component}, ${deps.host ?? ''}`,
        object: [kind, metadata.namespace, metadata.name, metadata.uid, apiVersion].join('/'),
        ...{ type, reason },
        message: message.length > maxMessage ? `${message.slice(0, maxMessage - 1)}…` : message,
        series: action !== undefined,
      },
      now,
    );
    if (action?.again && said.count === 1) return;
    if (!said.tell) {
      dropped++;
      return;
    }
    const text = said.message.slice(0, maxMessage);
    const same = waiting.get(said.key);
    if (same) {
      Object.assign(same, { last: now, count: said.count, times: same.times + 1, message: text });
    } else if (waiting.size >= limits.waiting) {
      dropped++;
      return;
    } else {
      const { key, count, first } = said;
      waiting.set(key, {
        ...{ key, teller, object, type, reason, action, count, first },
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
    // Yields first, so that occurrences of one moment become one write.
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
    const { client } = entry.teller;
    const known = written.get(entry.key);
    if (known) {
      try {
        const body = { ...repetitions(entry), message: entry.message };
        await client.patch('Event', known.name, { type: 'merge', body }, { namespace: known.namespace });
        written.delete(entry.key);
        written.set(entry.key, known);
        return;
      } catch (error) {
        // It has been removed since: it is told anew.
        if (!isApiError(error, 'NotFound')) throw error;
        written.delete(entry.key);
        const anew = { count: entry.times, first: entry.last };
        correlator.restart(entry.key, anew.count, anew.first);
        Object.assign(entry, anew);
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
    const { object, action, teller } = entry;
    const { component } = teller;
    const { host } = deps;
    // Kubernetes keeps the events of what has no namespace in `default`.
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

  const recorderOf = (teller: Teller): EventRecorder => ({
    event: (...told) => note(teller, ...told),
    of: (component, client = teller.client) => recorderOf({ component, client }),
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
