import type { Client } from '../../../shared/client.ts';
import type { Clock } from '../../../shared/clock.ts';
import { ApiError, isApiError, messageOf } from '../../../shared/errors.ts';
import type { Event, Pod } from '../../../shared/generated/types.ts';
import type { Change, Informers } from '../../../shared/informer.ts';
import type { Log } from '../../../shared/log.ts';
import { TokenBucket } from '../../../shared/token-bucket.ts';
import { Wakeup } from '../../../shared/wakeup.ts';

/** The most events that wait to be written; more are dropped. */
const maxWaiting = 200;
/** How many events a node may report, which bounds what it fills of the store in an hour. */
const rate = { burst: 1_000, perSecond: 5 };
/** The longest message, as in events.k8s.io/v1, and the longest event as JSON, both in characters. */
const maxMessage = 1_024;
const maxEvent = 8_192;
/** The most deleted pods of the node that are remembered, as it may still report events of them. */
const maxDeleted = 500;

export interface NodeEventsDeps {
  /** The API under the node's own identity. */
  readonly client: Client;
  readonly informers: Informers;
  readonly clock: Pick<Clock, 'monotonic' | 'sleep'>;
  readonly log: Log;
}

/** Writes the events that one node reports about itself and its pods, bounded in number and size. It changes only the node's events. */
export class NodeEventWriter {
  readonly #deps: NodeEventsDeps;
  readonly #node: string;
  readonly #waiting: Event[] = [];
  readonly #wakeup = new Wakeup();
  /** The uids of deleted pods, the oldest first. */
  readonly #deleted = new Set<string>();
  readonly #bucket: TokenBucket;

  constructor(deps: NodeEventsDeps, node: string) {
    this.#deps = deps;
    this.#node = node;
    this.#bucket = new TokenBucket(deps.clock, rate);
  }

  note(changes: readonly Change[]): void {
    for (const { kind, before, after } of changes) {
      if (kind !== 'Pod' || after || (before as Pod | undefined)?.spec.nodeName !== this.#node) continue;
      this.#deleted.add((before as Pod).metadata.uid);
      if (this.#deleted.size > maxDeleted)
        for (const oldest of [...this.#deleted].slice(0, 1)) this.#deleted.delete(oldest);
    }
  }

  /** Drops an event that is too large or too much. */
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
    if (!this.#isAllowed(event))
      throw new ApiError('Forbidden', 'the event is about an object that is not on this node');
  }

  #isAllowed({ involvedObject: { kind, name, namespace, uid = '' } }: Event): boolean {
    if (kind === 'Node') return name === this.#node;
    if (kind !== 'Pod') return false;
    const pod = this.#deps.informers.of('Pod').get(`${namespace}/${name}`);
    return pod?.spec.nodeName === this.#node || this.#deleted.has(uid);
  }
}

/** A patch for an event that has repeated, which tests that it is the node's: a node may change events but not read them. */
function repetition({ count, lastTimestamp, message, series }: Event, node: string): object[] {
  const changed = Object.entries({ count, lastTimestamp, message, series }).filter(([, value]) => value !== undefined);
  return [
    { op: 'test', path: '/source/host', value: node },
    ...changed.map(([field, value]) => ({ op: 'add', path: `/${field}`, value })),
  ];
}
