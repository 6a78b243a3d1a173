import { type Clock, formatTime, type Timer } from '../../shared/clock.ts';
import { EventCorrelator } from '../../shared/event-correlator.ts';
import { EventNames } from '../../shared/event-names.ts';
import type { Event, ObjectReference, Pod } from '../../shared/generated/types.ts';
import type { Random } from '../../shared/random.ts';

/** The most events that wait to be sent; beyond that the oldest are dropped. */
const maxWaiting = 500;
/** The most events that are remembered for their repetitions. */
const maxRemembered = 500;
const maxMessage = 1_024;
/** The component that Kubernetes' node agent reports as. */
const source = 'kubelet';
/** Milliseconds between two updates of one event that repeats. */
const repeatEveryMs = 5_000;

export interface EventDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly nodeName: string;
  /** There is an event to take. */
  readonly ready: () => void;
}

interface Recorded {
  event: Event;
  queuedAt: number;
  /** It has happened again since, and an update has to be sent. */
  due: boolean;
}

/**
 * The events of the node and its pods on their way to the control plane. An event that repeats keeps its name and counts up, with an
 * update every few seconds at most; similar ones are aggregated and floods suppressed (`shared/event-correlator.ts`).
 */
export class EventQueue {
  readonly #deps: EventDeps;
  readonly #names: EventNames;
  readonly #recorded = new Map<string, Recorded>();
  readonly #waiting = new Map<string, Event>();
  readonly #correlator = new EventCorrelator({ remembered: maxRemembered });
  #dropped = 0;
  #timer: Timer | undefined;

  constructor(deps: EventDeps) {
    this.#deps = deps;
    this.#names = new EventNames(deps.random);
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Records an event of a pod, or of its container. */
  pod(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void {
    const { name, namespace, uid, resourceVersion } = pod.metadata;
    const init = pod.spec.initContainers?.some((each) => each.name === container);
    this.#add(type, reason, message, {
      kind: 'Pod',
      apiVersion: 'v1',
      name,
      ...(namespace ? { namespace } : {}),
      uid,
      resourceVersion,
      ...(container ? { fieldPath: `spec.${init ? 'initContainers' : 'containers'}{${container}}` } : {}),
    });
  }

  /** Records an event of the node. */
  node(type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { nodeName } = this.#deps;
    this.#add(type, reason, message, { kind: 'Node', apiVersion: 'v1', name: nodeName, uid: nodeName });
  }

  /** The next event to send. */
  take(): Event | undefined {
    const [next] = this.#waiting;
    if (!next) return undefined;
    this.#waiting.delete(next[0]);
    return next[1];
  }

  #add(type: string, reason: string, message: string, involved: ObjectReference): void {
    const now = this.#deps.clock.now();
    const { kind, namespace, name, uid, apiVersion, fieldPath } = involved;
    const object = [kind, namespace, name, uid, apiVersion].join('/');
    const text = message.length > maxMessage ? `${message.slice(0, maxMessage - 1)}…` : message;
    const correlated = this.#correlator.note({ source, object, fieldPath, type, reason, message: text }, now);
    const before = this.#recorded.get(correlated.key);
    const changes = {
      message: correlated.message.slice(0, maxMessage),
      count: correlated.count,
      lastTimestamp: formatTime(now),
    };
    const event = { ...(before?.event ?? this.#create(type, reason, involved, correlated.first)), ...changes };
    const soon = before !== undefined && now - before.queuedAt < repeatEveryMs;
    const quiet = !correlated.write || soon;
    const queuedAt = quiet ? (before?.queuedAt ?? Number.NEGATIVE_INFINITY) : now;
    this.#recorded.delete(correlated.key);
    this.#recorded.set(correlated.key, { event, queuedAt, due: quiet && (correlated.write || before?.due === true) });
    trim(this.#recorded, maxRemembered);
    if (quiet && !this.#waiting.has(correlated.key)) {
      if (correlated.write) this.#timer ??= this.#deps.clock.timer(repeatEveryMs, () => this.#queueDue());
      return;
    }
    this.#queue(correlated.key, event);
  }

  /** Queues the updates that were held back because one was sent just before. */
  #queueDue(): void {
    this.#timer = undefined;
    const now = this.#deps.clock.now();
    for (const [key, recorded] of this.#recorded) {
      if (!recorded.due) continue;
      Object.assign(recorded, { due: false, queuedAt: now });
      this.#queue(key, recorded.event);
    }
  }

  #queue(key: string, event: Event): void {
    this.#waiting.set(key, event);
    this.#dropped += trim(this.#waiting, maxWaiting);
    this.#deps.ready();
  }

  #create(type: string, reason: string, involvedObject: ObjectReference, now: number): Event {
    const { nodeName } = this.#deps;
    const at = formatTime(now);
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: {
        name: this.#names.next(involvedObject.name ?? '', now),
        namespace: involvedObject.namespace ?? 'default',
        uid: '',
        resourceVersion: '',
        creationTimestamp: at,
      },
      involvedObject,
      type,
      reason,
      source: { component: source, host: nodeName },
      firstTimestamp: at,
      reportingComponent: source,
      reportingInstance: nodeName,
    };
  }
}

/** Drops the oldest until `most` are left; returns how many. */
function trim(map: Map<string, unknown>, most: number): number {
  let dropped = 0;
  for (const key of map.keys()) {
    if (map.size <= most) break;
    map.delete(key);
    dropped++;
  }
  return dropped;
}
