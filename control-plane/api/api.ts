import type { Binding, BindResult, WatchBatch } from '../../shared/client.ts';
import type { DeleteOptions, Kind, Status } from '../../shared/generated/types.ts';
import type { KindEntry, Subresource } from '../../shared/kinds/table.ts';
import type { KubeObject } from '../../shared/object.ts';
import type { Connection, LogStreamParameters, StreamRequest, TunnelFrame } from '../../shared/session.ts';
import type { Identity } from './auth/identity.ts';
import type { AuditSource } from './chain/audit/audited-call.ts';
import type { AuditTrail } from './chain/audit/trail.ts';

/**
 * The API as its surfaces (REST, gRPC, the in-process client) call it: they decode a request into one of these calls and encode the
 * result. All methods throw ApiError. Returned objects are shared and must not be changed.
 */
export interface Api {
  get(context: RequestContext, target: Target): Promise<KubeObject>;
  list(context: RequestContext, query: ListQuery): Promise<ListPage>;
  /** Ends without an error by the signal or after `timeoutSeconds`; throws ApiError Expired when it cannot continue. */
  watch(context: RequestContext, query: WatchQuery): AsyncIterable<ApiWatchEvent>;
  /** `target.name` is set only with a subresource (binding, eviction). */
  create(
    context: RequestContext,
    target: Partial<Target> & Pick<Target, 'entry'>,
    object: unknown,
    options?: MutateOptions,
  ): Promise<WriteResult>;
  update(context: RequestContext, target: Target, object: unknown, options?: MutateOptions): Promise<WriteResult>;
  patch(context: RequestContext, target: Target, patch: PatchBody, options?: MutateOptions): Promise<WriteResult>;
  /** A Status, or for some kinds the object, when it is gone; the object while it is being deleted. */
  delete(context: RequestContext, target: Target, options?: DeleteOptions): Promise<WriteResult>;
  deleteCollection(context: RequestContext, query: ListQuery, options?: DeleteOptions): Promise<ListPage>;
  /** The result at i belongs to the binding at i; each holds or fails by itself. */
  bind(context: RequestContext, bindings: readonly Binding[]): Promise<BindResult[]>;
  /** Many kinds in the order of revisions: what Client.watch gives. */
  watchKinds(context: RequestContext, kinds: readonly Kind[]): AsyncIterable<WatchBatch>;
  logs(context: RequestContext, target: Target, options: LogQuery): Promise<AsyncIterable<Uint8Array>>;
  /**
   * Opens exec, attach or one connection of a port-forward: `target.subresource` is the one that `query` is for. The frames are
   * those of the tunnel; the caller closes it; an abort of `context.signal` ends what runs in the pod.
   * `verb`: what the caller must be allowed; Kubernetes takes `get` for a GET (a WebSocket), `create` for a POST.
   */
  connect(context: RequestContext, target: Target, query: ConnectQuery, verb?: 'create' | 'get'): Promise<PodStream>;
  /** The checks of `connect` that do not depend on the query: authorization, the pod, and whether its node can be reached. */
  checkConnect(context: RequestContext, target: Target, verb?: 'create' | 'get'): Promise<void>;
  /**
   * The backend of a proxied request: a pod, a pod behind a service, or a node's agent. `target.name` may have a scheme and a port
   * (`https:web:8443`). Throws ServiceUnavailable when a service has no ready pod.
   */
  proxy(context: RequestContext, target: Target, verb: string): Promise<ProxyTarget>;
}

/** The backend of a proxied request. */
export interface ProxyTarget {
  readonly scheme: 'http' | 'https';
  /** As in a URL: an address, and the port when there is one. */
  readonly host: string;
  /** A connection: bytes on channels 0 and 1, as of a port-forward. Its last frame may be an error. */
  connect(): Promise<PodStream>;
}

export type PodStream = Connection<TunnelFrame, TunnelFrame>;

export type ConnectQuery =
  | {
      readonly type: 'exec' | 'attach';
      /** Absent: the one named by the annotation kubectl.kubernetes.io/default-container, else the only one. */
      readonly container?: string;
      /** Only with exec. */
      readonly command?: readonly string[];
      readonly stdin?: boolean;
      readonly stdout?: boolean;
      readonly stderr?: boolean;
      readonly tty?: boolean;
    }
  | { readonly type: 'portforward'; readonly port: number };

export interface RequestContext {
  readonly identity: Identity;
  /** The sender of a request that impersonates another user. */
  readonly impersonator?: Identity | undefined;
  /** The client's User-Agent: `kubectl/v1.32.4 (linux/amd64) …`. */
  readonly userAgent?: string | undefined;
  /** Aborted when the client has gone or the request's deadline has passed. */
  readonly signal: AbortSignal;
  /** Collects the warnings for the client. */
  readonly warnings: string[];
  /** The audit event of the request. Absent: it is not audited. */
  readonly audit?: AuditTrail | undefined;
  /** Where the request comes from. Absent: it is not audited. */
  readonly auditSource?: AuditSource;
}

export interface Target {
  readonly entry: KindEntry;
  /** Absent for cluster-scoped kinds. */
  readonly namespace?: string;
  readonly name: string;
  readonly subresource?: Subresource;
  /** Of a read: the result may not be older than this. */
  readonly resourceVersion?: string;
}

export interface ListQuery {
  readonly entry: KindEntry;
  /** Absent or empty: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  /** A page with a `limit` ends early when its objects come to about so many bytes; absent: 32 MiB. */
  readonly pageBytes?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: string;
  /** Only with a watch. */
  readonly sendInitialEvents?: boolean;
}

export interface ListPage {
  /** In the stored version; `served` converts them. */
  readonly items: readonly KubeObject[];
  /** An item in the version that is served; absent: itself. */
  readonly served?: (object: KubeObject) => KubeObject;
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

export interface WatchQuery extends ListQuery {
  readonly allowBookmarks?: boolean;
  readonly timeoutSeconds?: number;
}

export type ApiWatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: KubeObject }
  /** An object of the kind with nothing but its resourceVersion (and the initial-events-end annotation). */
  | { readonly type: 'BOOKMARK'; readonly object: KubeObject };

export interface MutateOptions {
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
  readonly fieldValidation?: 'Strict' | 'Warn' | 'Ignore';
  /** Only with an apply: takes over fields of other managers. */
  readonly force?: boolean;
  /** Warnings for the fields that the body's text has twice, in Kubernetes' words; the parsed value no longer shows them. */
  readonly duplicates?: readonly string[];
}

/** The result of a write. */
export interface WriteResult {
  /** A Status for what makes no object, and for most deletions. */
  readonly object: KubeObject | Status;
  /**
   * `deleting`: the object is there until its finalizers are gone or its node has stopped it. `accepted`: the same, and the client
   * wants to wait for the objects that it owns.
   */
  readonly outcome: 'created' | 'updated' | 'deleting' | 'accepted' | 'deleted';
  /** The object's JSON text, when the write has made it anyway. */
  readonly text?: string;
}

export interface PatchBody {
  readonly type: 'json' | 'merge' | 'strategic' | 'apply';
  readonly body: unknown;
}

export interface LogQuery {
  readonly container?: string;
  readonly follow?: boolean;
  readonly previous?: boolean;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  readonly timestamps?: boolean;
  readonly tailLines?: number;
  readonly limitBytes?: number;
}

/** How the API reaches into a node; the node sessions provide it. */
export interface NodeStreams {
  /** Rejects with Kubernetes' "error dialing backend" when the node cannot be reached. */
  logs(node: string, parameters: LogStreamParameters, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** The same; the stream ends when the signal aborts. */
  open(node: string, request: StreamRequest, signal: AbortSignal): Promise<PodStream>;
  /** Resolves when a stream could be opened, else rejects as the others do. */
  reach(node: string, signal: AbortSignal): Promise<void>;
}
