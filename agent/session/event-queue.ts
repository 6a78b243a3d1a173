import { type Clock, formatTime, type Timer } from '../../shared/clock.ts';
import { EventCorrelator } from '../../shared/event-correlator.ts';
import { EventNames } from '../../shared/event-names.ts';
import type { Event, ObjectReference, Pod } from '../../shared/generated/types.ts';
import type { Random } from '../../shared/random.ts';

/** Events that wait to be told at most; the oldest go first. */
const maxWaiting = 500;
/** Events remembered for their repetitions. */
const maxRemembered = 500;
const maxMessage = 1_024;
/** As the node's agent is called in Kubernetes. */
const source = 'kubelet';
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
  /** It has happened again since, and that is worth telling. */
  due: boolean;
}

/**
 * What the node tells about its pods and itself, in Kubernetes' words. An event that repeats keeps its name and counts up, and is
 * told again at most every few seconds, with the count as it is then; similar ones are combined, and of one object there is
 * only so much to tell (`shared/event-correlator.ts`).
 */
export class EventQueue {
  readonly #deps: EventDeps;
  readonly #names: EventNames;
  readonly #known = new Map<string, Known>();
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
    const now = this.#deps.clock.now();
    const { kind, namespace, name, uid, apiVersion, fieldPath } = involved;
    const object = [kind, namespace, name, uid, apiVersion].join('/');
    const text = message.length > maxMessage ? `${message.slice(0, maxMessage - 1)}…` : message;
    const said = this.#correlator.note({ source, object, fieldPath, type, reason, message: text }, now);
    const known = this.#known.get(said.key);
    const words = { message: said.message.slice(0, maxMessage), count: said.count, lastTimestamp: formatTime(now) };
    const event = { ...(known?.event ?? this.#create(type, reason, involved, said.first)), ...words };
    const soon = known !== undefined && now - known.toldAt < repeatEveryMs;
    const quiet = !said.write || soon;
    const toldAt = quiet ? (known?.toldAt ?? Number.NEGATIVE_INFINITY) : now;
    this.#known.delete(said.key);
    this.#known.set(said.key, { event, toldAt, due: quiet && (said.write || known?.due === true) });
    trim(this.#known, maxRemembered);
    if (quiet && !this.#waiting.has(said.key)) {
      if (said.write) this.#timer ??= this.#deps.clock.timer(repeatEveryMs, () => this.#tellDue());
      return;
    }
    this.#tell(said.key, event);
  }

  /** What was held back for having been told just before. */
  #tellDue(): void {
    this.#timer = undefined;
    const now = this.#deps.clock.now();
    for (const [key, known] of this.#known) {
      if (!known.due) continue;
      Object.assign(known, { due: false, toldAt: now });
      this.#tell(key, known.event);
    }
  }

  #tell(key: string, event: Event): void {
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
