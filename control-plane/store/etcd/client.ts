import { Etcd3, type IOptions } from 'etcd3';

export interface EtcdTls {
  /** PEM. */
  readonly ca: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** `unix:/path`, `host:port` or `https://host:port`. */
export type EtcdEndpoint = string;

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

/**
 * By default etcd3 retries calls, writes too, whose outcome is unknown then, and closes a host for five seconds after three failures.
 * EtcdStore decides what is retried, and when: these policies do nothing.
 */
const neverAborted = new AbortController().signal;
const passThrough = {
  execute: async (run: (context: { signal: AbortSignal }) => unknown) => run({ signal: neverAborted }),
  onSuccess: () => ({ dispose: () => undefined }),
  onFailure: () => ({ dispose: () => undefined }),
} as unknown as Policy;

/** The longest answer, in bytes: far more than any page (`etcd-store.ts`) or transaction has. */
const maxAnswer = 128 * 1024 * 1024;

/** The etcd3 package's client, used for its raw KV, watch and lease clients. */
export function createEtcdClient(endpoints: readonly EtcdEndpoint[], tls?: EtcdTls): Etcd3 {
  return new Etcd3({
    hosts: [...endpoints],
    ...(tls ? { credentials: { rootCertificate: tls.ca, privateKey: tls.key, certChain: tls.cert } } : {}),
    faultHandling: { global: passThrough, host: () => passThrough },
    grpcOptions: {
      'grpc.max_receive_message_length': maxAnswer,
      'grpc.max_send_message_length': -1,
      // With HTTP/2's default of 64 KiB a large object takes a dozen turns of a busy event loop: the watch would lag.
      'grpc-node.flow_control_window': 4 * 1024 * 1024,
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.min_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 1000,
      // Without pings a connection that drops all packets would hold a watch for ever. etcd allows one each 5 s.
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5000,
    },
  });
}

/** The end of the range of all keys that begin with `prefix`. */
export function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  for (let i = end.length - 1; i >= 0; i--) {
    const byte = end[i] as number;
    if (byte === 0xff) continue;
    end[i] = byte + 1;
    return end.subarray(0, i + 1);
  }
  return Buffer.from([0]);
}
