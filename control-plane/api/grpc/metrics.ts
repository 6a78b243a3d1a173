import { status } from '@grpc/grpc-js';
import { Counter, Histogram, type Registry } from 'prom-client';
import type { CallDeps } from './request.ts';

/** The metrics of gRPC calls, under the names of gRPC's Prometheus middleware. */
export function grpcMetrics(registry: Registry): NonNullable<CallDeps['observe']> {
  const registers = [registry];
  const handled = new Counter({
    name: 'grpc_server_handled_total',
    help: 'Calls that have ended, by method and code.',
    labelNames: ['grpc_service', 'grpc_method', 'grpc_code'],
    registers,
  });
  const seconds = new Histogram({
    name: 'grpc_server_handling_seconds',
    help: 'How long calls took; watches and sessions end when their client goes.',
    labelNames: ['grpc_service', 'grpc_method'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
    registers,
  });
  return (path, code, took) => {
    const [, grpc_service = '', grpc_method = ''] = path.split('/');
    handled.inc({ grpc_service, grpc_method, grpc_code: codeNames.get(code) ?? String(code) });
    seconds.observe({ grpc_service, grpc_method }, took);
  };
}

/** The label for `NOT_FOUND` is `NotFound`, as gRPC's libraries print it. */
const codeNames: ReadonlyMap<number, string> = new Map(
  Object.entries(status).flatMap(([name, code]): Array<[number, string]> => {
    if (typeof code !== 'number') return [];
    const words = name.toLowerCase().split('_');
    const camel = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
    return [[code, name === 'OK' ? 'OK' : camel]];
  }),
);
