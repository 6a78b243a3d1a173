import { backoffMs } from '../backoff.ts';
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
} from '../client.ts';
import type { Clock } from '../clock.ts';
import { ApiError, isApiError } from '../errors.ts';
import type { DeleteOptions, Kind, KindMap, Pod } from '../generated/types.ts';
import type { Draft, KubeObject } from '../object.ts';
import type { Random } from '../random.ts';
import type { Connection, TunnelFrame } from '../session.ts';
import { type ChannelOptions, createRpcChannel, type RpcChannel } from './channel.ts';
import type { ListRequest, WireWriteOptions } from './messages.ts';
import { openPodStream, type PodStreamRequest } from './pod-streams.ts';
import type { KindMethods, KindService, RpcSchema } from './schema.ts';

export interface GrpcClientDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly schema?: RpcSchema;
  /** Called with each warning of the server. */
  readonly onWarning?: (warning: string) => void;
}

/** A Client over gRPC, with calls that only interactive users need. */
export interface GrpcClient extends Client {
  readonly channel: RpcChannel;
  /** The changes of one kind after its present state, or after `resourceVersion`. Ends by the signal. */
  watchKind<K extends Kind>(kind: K, options: WatchKindOptions, signal: AbortSignal): AsyncIterable<KindWatchEvent<K>>;
  /** A container's log, in chunks. Ends with the log, or by the signal. */
  logs(pod: { namespace: string; name: string }, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Exec, attach, or one connection of a port-forward; ended by `close` or the signal. */
  connect(
    pod: { namespace: string; name: string },
    request: PodStreamRequest,
    signal: AbortSignal,
  ): Connection<TunnelFrame, TunnelFrame>;
  close(): void;
}

export interface WatchKindOptions extends Pick<ListOptions, 'namespace' | 'labelSelector' | 'fieldSelector'> {
  readonly resourceVersion?: string;
}

export interface KindWatchEvent<K extends Kind> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: KindMap[K];
}

export interface LogOptions {
  readonly container?: string;
  readonly follow?: boolean;
  readonly previous?: boolean;
  readonly timestamps?: boolean;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  readonly tailLines?: number;
  readonly limitBytes?: number;
}

/** Milliseconds. Reads are retried within `totalMs`; no attempt takes longer than `tryMs`. */
const readTiming = { tryMs: 10_000, totalMs: 30_000, backoff: { firstMs: 50, capMs: 2_000 } } as const;
const writeTimeoutMs = 30_000;

/** The page size of lists without a limit: one message stays well under the receive limit. */
const pageSize = 1000;

export function createGrpcClient(options: ChannelOptions, deps: GrpcClientDeps): GrpcClient {
  return new GrpcClientImpl(createRpcChannel(options, deps), deps);
}

class GrpcClientImpl implements GrpcClient {
  readonly channel: RpcChannel;
  readonly #deps: GrpcClientDeps;
  readonly #services: ReadonlyMap<string, KindService>;

  constructor(channel: RpcChannel, deps: GrpcClientDeps) {
    this.channel = channel;
    this.#deps = deps;
    this.#services = new Map(channel.schema.kinds.map((service) => [service.entry.typeName, service]));
  }

  async get<K extends Kind>(kind: K, name: string, namespace?: string): Promise<KindMap[K]> {
    const Get = this.#method(kind, 'Get');
    return as(await this.#read((timeoutMs) => this.channel.unary(Get, { name, namespace }, { timeoutMs })));
  }

  async list<K extends Kind>(kind: K, options: ListOptions = {}): Promise<ListResult<KindMap[K]>> {
    if (options.limit || options.continue) return this.#page(kind, options);
    const first = await this.#page(kind, { ...options, limit: pageSize });
    const items = [...first.items];
    for (let next = first.continue; next; ) {
      const page = await this.#page(kind, { ...options, limit: pageSize, continue: next });
      items.push(...page.items);
      next = page.continue;
    }
    return { items, resourceVersion: first.resourceVersion };
  }

  async create<K extends Kind>(kind: K, object: Draft<KindMap[K]>, options?: WriteOptions): Promise<KindMap[K]> {
    const request = { object: object as KubeObject, options: wireOptions(options) };
    return as(await this.#write((call) => this.channel.unary(this.#method(kind, 'Create'), request, call)));
  }

  async update<K extends Kind>(kind: K, object: KindMap[K], options?: WriteOptions): Promise<KindMap[K]> {
    const request = { object, options: wireOptions(options) };
    return as(await this.#write((call) => this.channel.unary(this.#method(kind, 'Update'), request, call)));
  }

  async updateStatus<K extends Kind>(kind: K, object: KindMap[K]): Promise<KindMap[K]> {
    const method = this.#method(kind, 'UpdateStatus');
    return as(await this.#write((call) => this.channel.unary(method, { object }, call)));
  }

  async patch<K extends Kind>(kind: K, name: string, patch: Patch, options: PatchOptions = {}): Promise<KindMap[K]> {
    const { namespace, subresource, ...rest } = options;
    const request = {
      namespace,
      name,
      type: patch.type,
      patch: JSON.stringify(patch.body),
      subresource,
      options: wireOptions(rest),
    };
    return as(await this.#write((call) => this.channel.unary(this.#method(kind, 'Patch'), request, call)));
  }

  async delete(kind: Kind, name: string, options: DeleteOptions & { namespace?: string } = {}): Promise<void> {
    const { namespace, ...rest } = options;
    const request = { namespace, name, options: rest };
    await this.#write((call) => this.channel.unary(this.#method(kind, 'Delete'), request, call));
  }

  async bind(bindings: readonly Binding[]): Promise<BindResult[]> {
    const method = this.#method('Pod', 'Bind');
    const request = {
      bindings: bindings.map(({ resourceVersion, guardVersion, ...rest }) => ({
        ...rest,
        resource_version: resourceVersion,
        guard_version: guardVersion,
      })),
    };
    const { results = [] } = await this.#write((call) => this.channel.unary(method, request, call));
    return results.map(({ reason, message = '', guard_version = '' }) =>
      reason ? { ok: false, reason, message } : { ok: true, guardVersion: guard_version },
    );
  }

  async evict(pod: Pod, options?: DeleteOptions): Promise<void> {
    const method = this.#method('Pod', 'Evict');
    const { namespace, name, uid } = pod.metadata;
    const request = { namespace, name, options: { ...options, preconditions: { uid, ...options?.preconditions } } };
    await this.#write((call) => this.channel.unary(method, request, call));
  }

  async *watch(kinds: readonly Kind[], signal: AbortSignal): AsyncGenerator<WatchBatch> {
    const { Watch } = this.channel.schema.objects;
    for await (const batch of this.channel.serverStream(Watch, { kinds }, signal)) {
      const { revision = 0, initial = false, synced = false, events = [] } = batch;
      yield { revision, initial, synced, events: events.map(watchEvent) };
    }
  }

  async *watchKind<K extends Kind>(
    kind: K,
    options: WatchKindOptions,
    signal: AbortSignal,
  ): AsyncGenerator<KindWatchEvent<K>> {
    const request = { ...listRequest(options), resource_version: options.resourceVersion };
    for await (const { type, object } of this.channel.serverStream(this.#method(kind, 'Watch'), request, signal)) {
      if (object) yield { type: type as KindWatchEvent<K>['type'], object: as(object) };
    }
  }

  async *logs(
    { namespace, name }: { namespace: string; name: string },
    options: LogOptions,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const { container, follow, previous, timestamps } = options;
    const request = {
      namespace,
      name,
      container,
      follow,
      previous,
      timestamps,
      since_seconds: options.sinceSeconds,
      tail_lines: options.tailLines,
      limit_bytes: options.limitBytes,
      since_time: options.sinceTime,
    };
    const method = this.#method('Pod', 'Logs');
    for await (const { data } of this.channel.serverStream(method, request, signal)) {
      if (data?.length) yield data;
    }
  }

  connect(
    pod: { namespace: string; name: string },
    request: PodStreamRequest,
    signal: AbortSignal,
  ): Connection<TunnelFrame, TunnelFrame> {
    const methods = this.#services.get('Pod')?.methods ?? {};
    return openPodStream(this.channel, methods, pod, request, signal);
  }

  close(): void {
    this.channel.close();
  }

  #method<M extends keyof KindMethods>(kind: Kind, name: M): NonNullable<KindMethods[M]> {
    const service = this.#services.get(kind);
    if (!service) throw new ApiError('NotFound', `there is no kind "${kind}"`);
    const method = service.methods[name];
    if (!method) throw new ApiError('MethodNotAllowed', `${service.name} has no method ${name}`);
    return method;
  }

  async #page<K extends Kind>(kind: K, options: ListOptions): Promise<ListResult<KindMap[K]>> {
    const List = this.#method(kind, 'List');
    const request = listRequest(options);
    const { metadata, items } = await this.#read((timeoutMs) => this.channel.unary(List, request, { timeoutMs }));
    return {
      items: items as unknown as Array<KindMap[K]>,
      resourceVersion: metadata?.resourceVersion ?? '',
      ...(metadata?.continue ? { continue: metadata.continue } : {}),
    };
  }

  /** Retried while the server cannot be reached, is overloaded, or does not answer. */
  #read<T>(attempt: (timeoutMs: number) => Promise<T>): Promise<T> {
    return this.#retrying(readTiming.totalMs, attempt, (error) =>
      isApiError(error, 'ServiceUnavailable', 'TooManyRequests', 'Timeout'),
    );
  }

  /**
   * Retried only if the server has refused it for now (TooManyRequests): a write without an answer may have been done.
   */
  #write<T>(send: (call: { timeoutMs: number; onWarning?: (warning: string) => void }) => Promise<T>): Promise<T> {
    const { onWarning } = this.#deps;
    return this.#retrying(
      writeTimeoutMs,
      (timeoutMs) => send({ timeoutMs, onWarning }),
      (error) => isApiError(error, 'TooManyRequests'),
      writeTimeoutMs,
    );
  }

  async #retrying<T>(
    totalMs: number,
    attempt: (timeoutMs: number) => Promise<T>,
    mayRetry: (error: unknown) => boolean,
    tryMs: number = readTiming.tryMs,
  ): Promise<T> {
    const { clock, random } = this.#deps;
    const end = clock.monotonic() + totalMs;
    for (let tries = 0; ; tries++) {
      try {
        return await attempt(Math.min(tryMs, Math.max(1, end - clock.monotonic())));
      } catch (error) {
        const retryAfterMs = error instanceof ApiError ? (error.details.retryAfterSeconds ?? 0) * 1000 : 0;
        const wait = Math.max(retryAfterMs, backoffMs(tries, readTiming.backoff, random));
        if (!mayRetry(error) || clock.monotonic() + wait >= end) throw error;
        await clock.sleep(wait);
      }
    }
  }
}

function listRequest(options: ListOptions): ListRequest {
  const { namespace, labelSelector, fieldSelector, limit } = options;
  return {
    namespace,
    label_selector: labelSelector,
    field_selector: fieldSelector,
    limit,
    continue: options.continue,
  };
}

function wireOptions({ dryRun, fieldManager, force }: WriteOptions & { force?: boolean } = {}): WireWriteOptions {
  return { dry_run: dryRun, field_manager: fieldManager, force };
}

function watchEvent({ type, kind, object }: { type?: string; kind?: string; object?: Uint8Array }): WatchEvent {
  return {
    type: type as WatchEvent['type'],
    kind: kind as Kind,
    object: JSON.parse(Buffer.from(object ?? []).toString()) as KubeObject,
  };
}

/** The method's converter has decoded an object of exactly this kind. */
function as<K extends Kind>(object: KubeObject): KindMap[K] {
  return object as KindMap[K];
}
