import { type Clock, formatTime } from '../shared/clock.ts';
import type { Event, ObjectReference, Pod } from '../shared/generated/types.ts';
import { nameSuffix, type Random } from '../shared/random.ts';

/** Events that wait to be told at most; the oldest go first. */
const maxWaiting = 500;
/** Events remembered for their repetitions. */
const maxRemembered = 500;
const maxMessage = 1_024;
/** Milliseconds between two tellings of one event that repeats. */
const repeatEveryMs = 5_000;

export interface EventDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly nodeName: string;
  /** There is something to take. */
  readonly ready: () => void;
}

interface Known {
  event: Event;
  toldAt: number;
}

/**
 * What the node tells about its pods, in Kubernetes' words. An event that repeats keeps its name and counts up, and is
 * told again at most every few seconds, with the count of the last telling.
 */
export class EventQueue {
  readonly #deps: EventDeps;
  readonly #known = new Map<string, Known>();
  readonly #waiting = new Map<string, Event>();
  #dropped = 0;

  constructor(deps: EventDeps) {
    this.#deps = deps;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** One thing that happened to a pod, or to its container. */
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

  /** One thing that happened to the node. */
  node(type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { nodeName } = this.#deps;
    this.#add(type, reason, message, { kind: 'Node', apiVersion: 'v1', name: nodeName, uid: nodeName });
  }

  take(): Event | undefined {
    const [next] = this.#waiting;
    if (!next) return undefined;
    this.#waiting.delete(next[0]);
    return next[1];
  }

  #add(type: string, reason: string, message: string, involved: ObjectReference): void {
    const text = message.length > maxMessage ? `${message.slice(0, maxMessage - 1)}…` : message;
    const key = [involved.uid, involved.fieldPath, type, reason, text].join('\0');
    const now = this.#deps.clock.now();
    const known = this.#known.get(key);
    const event = known ? repeated(known.event, now) : this.#create(type, reason, text, involved, now);
    const quiet = known !== undefined && now - known.toldAt < repeatEveryMs;
    this.#known.delete(key);
    this.#known.set(key, { event, toldAt: quiet ? known.toldAt : now });
    trim(this.#known, maxRemembered);
    if (quiet && !this.#waiting.has(key)) return;
    this.#waiting.set(key, event);
    this.#dropped += trim(this.#waiting, maxWaiting);
    this.#deps.ready();
  }

  #create(type: string, reason: string, message: string, involvedObject: ObjectReference, now: number): Event {
    const { nodeName, random } = this.#deps;
    const at = formatTime(now);
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: {
        name: `${(involvedObject.name ?? '').slice(0, 230)}.${nameSuffix(random, 16)}`,
        namespace: involvedObject.namespace ?? 'default',
        uid: '',
        resourceVersion: '',
        creationTimestamp: at,
      },
      involvedObject,
      type,
      reason,
      message,
      source: { component: 'kubelet', host: nodeName },
      firstTimestamp: at,
      lastTimestamp: at,
      count: 1,
      reportingComponent: 'kubelet',
      reportingInstance: nodeName,
    };
  }
}

function repeated(event: Event, now: number): Event {
  return { ...event, count: (event.count ?? 1) + 1, lastTimestamp: formatTime(now) };
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
