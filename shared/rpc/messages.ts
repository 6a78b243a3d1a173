/**
 * The wire's request and stream messages (`proto/coracle/*.proto`) as TypeScript sees them once decoded: plain
 * objects with the field names of the wire, absent fields left out, int64 as numbers, bytes as Uint8Array.
 */
import type { DeleteOptions, ListMeta, Status } from '../generated/types.ts';
import type { KubeObject } from '../object.ts';

export interface GetRequest {
  namespace?: string;
  name?: string;
}

export interface ListRequest {
  namespace?: string;
  label_selector?: string;
  field_selector?: string;
  limit?: number;
  continue?: string;
  resource_version?: string;
}

export interface WatchRequest {
  namespace?: string;
  label_selector?: string;
  field_selector?: string;
  resource_version?: string;
}

export interface WireWriteOptions {
  dry_run?: boolean;
  field_manager?: string;
  field_validation?: string;
  force?: boolean;
}

export interface WriteRequest {
  object?: KubeObject;
  options?: WireWriteOptions;
}

export interface PatchRequest {
  namespace?: string;
  name?: string;
  type?: string;
  patch?: string;
  subresource?: string;
  options?: WireWriteOptions;
}

export interface DeleteRequest {
  namespace?: string;
  name?: string;
  options?: DeleteOptions;
}

export interface DeleteCollectionRequest {
  selection?: ListRequest;
  options?: DeleteOptions;
}

export interface ListResponse {
  metadata?: ListMeta;
  items: readonly KubeObject[];
  /** Instead of `items`, where they are encoded already: only a server has it. */
  encoded?: readonly Uint8Array[];
}

export interface WatchResponse {
  /** ADDED, MODIFIED, DELETED, BOOKMARK */
  type?: string;
  object?: KubeObject;
}

export interface PodBinding {
  namespace?: string;
  name?: string;
  uid?: string;
  resource_version?: string;
  node?: string;
  guard_version?: string;
}

export interface BindRequest {
  bindings?: PodBinding[];
}

export interface BindResponse {
  results?: Array<{ reason?: string; message?: string; guard_version?: string }>;
}

export interface CreateTokenRequest {
  namespace?: string;
  name?: string;
  audiences?: readonly string[];
  expiration_seconds?: number;
  bound_kind?: string;
  bound_name?: string;
  bound_uid?: string;
}

export interface CreateTokenResponse {
  token?: string;
  expiration_timestamp?: string;
}

export interface LogsRequest {
  namespace?: string;
  name?: string;
  container?: string;
  follow?: boolean;
  previous?: boolean;
  since_seconds?: number;
  timestamps?: boolean;
  tail_lines?: number;
  limit_bytes?: number;
  since_time?: string;
}

export interface LogsChunk {
  data?: Uint8Array;
}

export interface ProcessRequest {
  namespace?: string;
  name?: string;
  container?: string;
  /** Only with exec. */
  command?: readonly string[];
  stdin?: boolean;
  stdout?: boolean;
  stderr?: boolean;
  tty?: boolean;
}

export interface ProcessInput {
  request?: ProcessRequest;
  stdin?: Uint8Array;
  stdin_end?: boolean;
  resize?: { width?: number; height?: number };
}

export interface ProcessOutput {
  stdout?: Uint8Array;
  stderr?: Uint8Array;
  status?: Status;
}

export interface PortForwardInput {
  request?: { namespace?: string; name?: string; port?: number };
  data?: Uint8Array;
  end?: boolean;
}

export interface PortForwardOutput {
  data?: Uint8Array;
  end?: boolean;
}

export interface WatchKindsRequest {
  kinds?: readonly string[];
}

export interface WatchKindsBatch {
  revision?: number;
  initial?: boolean;
  synced?: boolean;
  events?: Array<{ type?: string; kind?: string; object?: Uint8Array }>;
}

export interface EnrollRequest {
  token?: string;
  node_name?: string;
  csr?: string;
}

export interface EnrollResponse {
  certificate?: string;
  ca?: string;
}

export interface WireTunnelFrame {
  id?: string;
  data?: Uint8Array;
  channel?: number;
  end?: boolean;
}

export interface WireFromNode {
  register?: { node_name?: string; node?: Uint8Array; instance?: string };
  pod_status?: {
    sequence?: number;
    updates?: Array<{ namespace?: string; name?: string; uid?: string; status?: Uint8Array; terminated?: boolean }>;
  };
  node_status?: { status?: Uint8Array };
  event?: { event?: Uint8Array };
  metrics?: WireMetricsReport;
  volume_deleted?: { name?: string; uid?: string };
}

export interface WireMetricsReport {
  at_ms?: number;
  node?: WireUsage;
  pods?: Array<{ uid?: string; window_ms?: number; containers?: WireUsage[] }>;
}

export interface WireUsage {
  name?: string;
  cpu_nanocores?: number;
  memory_bytes?: number;
  window_ms?: number;
}

export interface WireToNode {
  registered?: {
    session_id?: string;
    heartbeat_ms?: number;
    lease_ms?: number;
    pod_cidr?: string;
    kubernetes_host?: string;
    kubernetes_port?: number;
    heartbeat_host?: string;
    heartbeat_port?: number;
    cluster_cidr?: string;
    servers?: string[];
  };
  assignments?: {
    type?: string;
    applies_to?: number;
    results_in?: number;
    changes?: Array<{ kind?: string; namespace?: string; name?: string; removed?: boolean; object?: Uint8Array }>;
  };
  status_ack?: { sequence?: number };
  open_stream?: WireStreamRequest & { id?: string };
  close_stream?: { id?: string };
}

/** A stream of a node; `parameters`: JSON. */
export interface WireStreamRequest {
  type?: string;
  parameters?: Uint8Array;
}

export interface PeerInput {
  request?: WireStreamRequest & { server?: string; node?: string };
  frame?: WireTunnelFrame;
}

export interface PeerOutput {
  open?: boolean;
  frame?: WireTunnelFrame;
}

export interface PeerUsageRequest {
  nodes?: readonly string[];
}

export interface PeerUsage {
  node?: string;
  report?: WireMetricsReport;
}

export type VersionRequest = Record<string, never>;

export interface VersionResponse {
  version?: string;
}
