import type { HttpTarget } from './target.ts';

/** How probes and hooks reach into pods. All reject when there is no answer in time. */
export interface Dialers {
  /** Redirects are not followed; the body is cut. Certificates are not checked, as in Kubernetes. */
  http(target: HttpTarget, timeoutMs: number, signal: AbortSignal): Promise<{ status: number; body: string }>;
  tcp(host: string, port: number, timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** The serving status by the gRPC health protocol: SERVING, NOT_SERVING … */
  grpc(host: string, port: number, service: string, timeoutMs: number, signal: AbortSignal): Promise<string>;
}
