import type { HttpTarget } from './target.ts';

/** How probes and hooks reach into pods. All reject when there is no answer in time. */
export interface Dialers {
  /**
   * Redirects are followed on the same host, one to another host is the answer; the body is cut. Certificates are not checked. All
   * as in Kubernetes (pkg/probe/http, `RedirectChecker`).
   */
  http(target: HttpTarget, timeoutMs: number, signal: AbortSignal): Promise<{ status: number; body: string }>;
  tcp(host: string, port: number, timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** The serving status by the gRPC health protocol: SERVING, NOT_SERVING … */
  grpc(host: string, port: number, service: string, timeoutMs: number, signal: AbortSignal): Promise<string>;
}
