import type {
  Binding,
  BindResult,
  Client,
  ListOptions,
  ListResult,
  Patch,
  PatchOptions,
  WatchBatch,
  WatchEvent,
  WriteOptions,
} from '../../shared/client.ts';
import type { DeleteOptions, Kind, KindMap, Pod } from '../../shared/generated/types.ts';
import type { Draft, KubeObject } from '../../shared/object.ts';
import { WatchBrake, WriteBrake } from './brake.ts';

/** What a client is about to write. */
export interface ClientWrite {
  readonly verb: 'create' | 'update' | 'updateStatus' | 'patch' | 'delete' | 'bind' | 'evict';
  readonly kind: Kind;
  readonly name: string;
  readonly namespace?: string | undefined;
}

/**
 * A client whose watches, lists and writes a test can hold, lose and fail; `get` sees what the server shows. Without a
 * command it behaves as the client below it.
 */
export class BrakedClient implements Client {
  readonly #inner: Client;
  readonly watches = new WatchBrake<WatchEvent>();
  readonly writes = new WriteBrake<ClientWrite>();
  /** When set, lists and the first states of watches have only the objects that pass. */
  listed: ((object: KubeObject) => boolean) | undefined;

  constructor(inner: Client) {
    this.#inner = inner;
  }

  get<K extends Kind>(kind: K, name: string, namespace?: string): Promise<KindMap[K]> {
    return this.#inner.get(kind, name, namespace);
  }

  async list<K extends Kind>(kind: K, options?: ListOptions): Promise<ListResult<KindMap[K]>> {
    const page = await this.#inner.list(kind, options);
    const { listed } = this;
    return listed ? { ...page, items: page.items.filter((item) => listed(item as KubeObject)) } : page;
  }

  create<K extends Kind>(kind: K, object: Draft<KindMap[K]>, options?: WriteOptions): Promise<KindMap[K]> {
    const { name = '', namespace } = object.metadata;
    return this.#write({ verb: 'create', kind, name, namespace }, () => this.#inner.create(kind, object, options));
  }

  update<K extends Kind>(kind: K, object: KindMap[K], options?: WriteOptions): Promise<KindMap[K]> {
    const { name, namespace } = object.metadata;
    return this.#write({ verb: 'update', kind, name, namespace }, () => this.#inner.update(kind, object, options));
  }

  updateStatus<K extends Kind>(kind: K, object: KindMap[K]): Promise<KindMap[K]> {
    const { name, namespace } = object.metadata;
    return this.#write({ verb: 'updateStatus', kind, name, namespace }, () => this.#inner.updateStatus(kind, object));
  }

  patch<K extends Kind>(kind: K, name: string, patch: Patch, options?: PatchOptions): Promise<KindMap[K]> {
    const { namespace } = options ?? {};
    return this.#write({ verb: 'patch', kind, name, namespace }, () => this.#inner.patch(kind, name, patch, options));
  }

  delete(kind: Kind, name: string, options?: DeleteOptions & { namespace?: string }): Promise<void> {
    const { namespace } = options ?? {};
    return this.#write({ verb: 'delete', kind, name, namespace }, () => this.#inner.delete(kind, name, options));
  }

  bind(bindings: readonly Binding[]): Promise<BindResult[]> {
    const writes = bindings.map(({ name, namespace }) => ({ verb: 'bind', kind: 'Pod', name, namespace }) as const);
    return this.writes.through<BindResult[]>(writes, () => this.#inner.bind(bindings));
  }

  evict(pod: Pod, options?: DeleteOptions): Promise<void> {
    const { name, namespace } = pod.metadata;
    return this.#write({ verb: 'evict', kind: 'Pod', name, namespace }, () => this.#inner.evict(pod, options));
  }

  watch(kinds: readonly Kind[], signal: AbortSignal): AsyncIterable<WatchBatch> {
    return this.watches.through((either) => this.#listed(this.#inner.watch(kinds, either)), signal);
  }

  async *#listed(batches: AsyncIterable<WatchBatch>): AsyncIterable<WatchBatch> {
    const { listed } = this;
    for await (const batch of batches) {
      if (!listed || !batch.initial) yield batch;
      else yield { ...batch, events: batch.events.filter(({ object }) => listed(object)) };
    }
  }

  #write<T>(write: ClientWrite, perform: () => Promise<T>): Promise<T> {
    return this.writes.through([write], perform);
  }
}
