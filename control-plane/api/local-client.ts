import type {
  Binding,
  BindResult,
  Client,
  ListOptions,
  ListResult,
  Patch,
  PatchOptions,
  WatchBatch,
  WriteOptions,
} from '../../shared/client.ts';
import type { Clock } from '../../shared/clock.ts';
import { ApiError } from '../../shared/errors.ts';
import type { DeleteOptions, Kind, KindMap, Pod } from '../../shared/generated/types.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import type { Draft } from '../../shared/object.ts';
import type { Api, ListPage, RequestContext, WriteResult } from './api.ts';
import type { Identity } from './auth/identity.ts';
import { ipOfPeer } from './chain/audit/audited-call.ts';

/** The deadline of a request of this process. */
const deadlineMs = 30_000;

export interface LocalClientDeps {
  readonly api: Api;
  readonly identity: Identity;
  readonly clock: Clock;
  /** Field manager of its writes; absent: the component's name. */
  readonly userAgent?: string;
  /** Its requests are audited. */
  readonly audited?: boolean;
  /** The gRPC peer on whose behalf it sends requests, for the audit log; absent: this process. */
  readonly peer?: string | undefined;
  /** Called before each write; throws when writes are no longer allowed. */
  readonly mayWrite?: () => void;
}

/** A client for components in the API server's process, under a given identity: the same Api without a wire. */
export class LocalClient implements Client {
  readonly #deps: LocalClientDeps;

  constructor(deps: LocalClientDeps) {
    this.#deps = deps;
  }

  get<K extends Kind>(kind: K, name: string, namespace?: string): Promise<KindMap[K]> {
    return this.#request((context) => this.#deps.api.get(context, { entry: kindNamed(kind), namespace, name }));
  }

  async list<K extends Kind>(kind: K, options: ListOptions = {}): Promise<ListResult<KindMap[K]>> {
    const page = await this.#request<ListPage>((context) =>
      this.#deps.api.list(context, { entry: kindNamed(kind), ...options }),
    );
    const served = page.served ? page.items.map(page.served) : page.items;
    const items = served as unknown as KindMap[K][];
    return { items, resourceVersion: page.resourceVersion, ...(page.continue ? { continue: page.continue } : {}) };
  }

  create<K extends Kind>(kind: K, object: Draft<KindMap[K]>, options?: WriteOptions): Promise<KindMap[K]> {
    const { namespace } = object.metadata;
    return this.#write((context) =>
      this.#deps.api.create(context, { entry: kindNamed(kind), namespace }, object, options),
    );
  }

  update<K extends Kind>(kind: K, object: KindMap[K], options?: WriteOptions): Promise<KindMap[K]> {
    const { name, namespace } = object.metadata;
    return this.#write((context) =>
      this.#deps.api.update(context, { entry: kindNamed(kind), namespace, name }, object, options),
    );
  }

  updateStatus<K extends Kind>(kind: K, object: KindMap[K]): Promise<KindMap[K]> {
    const { name, namespace } = object.metadata;
    const target = { entry: kindNamed(kind), namespace, name, subresource: 'status' } as const;
    return this.#write((context) => this.#deps.api.update(context, target, object));
  }

  patch<K extends Kind>(kind: K, name: string, patch: Patch, options: PatchOptions = {}): Promise<KindMap[K]> {
    const { namespace, subresource, ...write } = options;
    const target = { entry: kindNamed(kind), namespace, name, subresource };
    return this.#write((context) => this.#deps.api.patch(context, target, patch, write));
  }

  async delete(kind: Kind, name: string, options: DeleteOptions & { namespace?: string } = {}): Promise<void> {
    const { namespace, ...rest } = options;
    const target = { entry: kindNamed(kind), namespace, name };
    await this.#write((context) => this.#deps.api.delete(context, target, rest));
  }

  async bind(bindings: readonly Binding[]): Promise<BindResult[]> {
    this.#deps.mayWrite?.();
    return this.#request((context) => this.#deps.api.bind(context, bindings));
  }

  async evict(pod: Pod, options?: DeleteOptions): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const target = { entry: kindNamed('Pod'), namespace, name, subresource: 'eviction' } as const;
    const deleteOptions = { ...options, preconditions: { uid, ...options?.preconditions } };
    await this.#write((context) => this.#deps.api.create(context, target, { metadata: { name }, deleteOptions }));
  }

  watch(kinds: readonly Kind[], signal: AbortSignal): AsyncIterable<WatchBatch> {
    return this.#deps.api.watchKinds(this.#context(signal), kinds);
  }

  /** `T`: the type of the object. */
  async #write<T>(request: (context: RequestContext) => Promise<WriteResult>): Promise<T> {
    this.#deps.mayWrite?.();
    return (await this.#request<WriteResult>(request)).object as T;
  }

  /** Runs one request with a deadline. `T`: the type of the answer. */
  async #request<T>(request: (context: RequestContext) => Promise<unknown>): Promise<T> {
    const end = new AbortController();
    const timer = this.#deps.clock.timer(deadlineMs, () =>
      end.abort(new ApiError('Timeout', `the request did not complete within ${deadlineMs / 1000} s`)),
    );
    try {
      return (await request(this.#context(end.signal))) as T;
    } finally {
      timer.cancel();
    }
  }

  #context(signal: AbortSignal): RequestContext {
    const { identity, audited, peer = '127.0.0.1', userAgent = identity.user.replace(/^system:/, '') } = this.#deps;
    const context = { identity, userAgent, signal, warnings: [] };
    return audited ? { ...context, auditSource: { ip: ipOfPeer(peer) } } : context;
  }
}
