import type { HttpTarget } from './target.ts';

/** The connections of probes and hooks to pods. All reject when there is no answer in time. */
export interface Dialers {
  /**
   * Follows redirects on the same host; a redirect to another host is the answer. The body is truncated, certificates are not verified.
   * As in Kubernetes (pkg/probe/http, `RedirectChecker`).
   */
  http(target: HttpTarget, timeoutMs: number, signal: AbortSignal): Promise<{ status: number; body: string }>;
  tcp(host: string, port: number, timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** The serving status by the gRPC health protocol: SERVING, NOT_SERVING … */
  grpc(host: string, port: number, service: string, timeoutMs: number, signal: AbortSignal): Promise<string>;
}
