import type { Client } from '../../shared/client.ts';
import type { Clock } from '../../shared/clock.ts';
import { ApiError, isApiError, messageOf } from '../../shared/errors.ts';
import type { Event, Pod } from '../../shared/generated/types.ts';
import type { Change, Informers } from '../../shared/informer.ts';
import type { Log } from '../../shared/log.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';
import { Wakeup } from '../../shared/wakeup.ts';

/** Events that wait to be written; more are dropped: they are news, not state. */
const maxWaiting = 200;
/** A node may report so many at once, and so many a second for ever: what it fills of the store in an hour is bounded. */
const rate = { burst: 1_000, perSecond: 5 };
/** The longest message, in characters, as events.k8s.io/v1 has it; and the longest event, in characters of its JSON. */
const maxMessage = 1_024;
const maxEvent = 8_192;
/** Pods that were this node's and are gone, of which it may still report. */
const maxGone = 500;

export interface NodeEventsDeps {
  /** The API under the node's own identity. */
  readonly client: Client;
  readonly informers: Informers;
  readonly clock: Pick<Clock, 'monotonic' | 'sleep'>;
  readonly log: Log;
}

/** The events that one node reports: of itself and its pods, in bounded number and size, and only over events of its own. */
export class NodeEventWriter {
  readonly #deps: NodeEventsDeps;
  readonly #node: string;
  readonly #waiting: Event[] = [];
  readonly #wakeup = new Wakeup();
  /** By uid, the oldest first. */
  readonly #gone = new Set<string>();
  readonly #bucket: TokenBucket;

  constructor(deps: NodeEventsDeps, node: string) {
    this.#deps = deps;
    this.#node = node;
    this.#bucket = new TokenBucket(deps.clock, rate);
  }

  note(changes: readonly Change[]): void {
    for (const { kind, before, after } of changes) {
      if (kind !== 'Pod' || after || (before as Pod | undefined)?.spec.nodeName !== this.#node) continue;
      this.#gone.add((before as Pod).metadata.uid);
      if (this.#gone.size > maxGone) for (const oldest of [...this.#gone].slice(0, 1)) this.#gone.delete(oldest);
    }
  }

  /** An event that is too large is not kept to wait: what waits is bounded by its size as well as its number. */
  put(event: Event): void {
    if (this.#waiting.length >= maxWaiting || !this.#bucket.tryTake()) return;
    if (JSON.stringify(event).length > maxEvent) {
      const { log } = this.#deps;
      log.debug({ component: 'nodes', key: this.#node }, `an event of more than ${maxEvent} characters was dropped`);
      return;
    }
    this.#waiting.push(event);
    this.#wakeup.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#wakeup.wait(signal);
      for (let event = this.#waiting.shift(); event && !signal.aborted; event = this.#waiting.shift()) {
        await this.#write(event);
      }
    }
  }

  async #write(event: Event): Promise<void> {
    const { client, log } = this.#deps;
    try {
      const { name, namespace } = event.metadata;
      this.#check(event);
      const source = { ...event.source, host: this.#node };
      await client.create('Event', { ...event, source, metadata: { name, namespace } }).catch(async (error) => {
        if (!isApiError(error, 'AlreadyExists')) throw error;
        await client.patch('Event', name, { type: 'json', body: repetition(event, this.#node) }, { namespace });
      });
    } catch (error) {
      log.debug({ component: 'nodes', key: this.#node, err: messageOf(error) }, 'event not stored');
    }
  }

  #check(event: Event): void {
    if ((event.message?.length ?? 0) > maxMessage) {
      throw new ApiError('RequestEntityTooLarge', `an event holds at most ${maxMessage} characters of text`);
    }
    if (!this.#mayTellOf(event)) throw new ApiError('Forbidden', 'the event is of something that is not on this node');
  }

  #mayTellOf({ involvedObject: { kind, name, namespace, uid = '' } }: Event): boolean {
    if (kind === 'Node') return name === this.#node;
    if (kind !== 'Pod') return false;
    const pod = this.#deps.informers.of('Pod').get(`${namespace}/${name}`);
    // A pod that is gone may still have its last word.
    return pod?.spec.nodeName === this.#node || this.#gone.has(uid);
  }
}

/** What changes of an event that happens again, if it is the node's: a node may change events, and not read them. */
function repetition({ count, lastTimestamp, message, series }: Event, node: string): object[] {
  const changed = Object.entries({ count, lastTimestamp, message, series }).filter(([, value]) => value !== undefined);
  return [
    { op: 'test', path: '/source/host', value: node },
    ...changed.map(([field, value]) => ({ op: 'add', path: `/${field}`, value })),
  ];
}
