import type { NodeStreams } from '../api.ts';
import type { SubresourceTable } from '../requests/subresource.ts';
import { binding } from './pod/binding.ts';
import { eviction } from './pod/eviction.ts';
import { podLog } from './pod/log.ts';
import { podStream } from './pod/streams.ts';
import { nodeProxy, podProxy, serviceProxy } from './proxy/open.ts';
import { scale } from './scale.ts';
import { serviceAccountToken, type TokenIssuer } from './tokens/token-request.ts';

export interface SubresourceDeps {
  readonly nodeStreams: NodeStreams;
  /** Absent: the server issues no tokens. */
  readonly tokens: TokenIssuer | undefined;
}

/**
 * Subresources with a handler: kind → subresource → handler. All others are parts of the stored object: its status, and the
 * `parts` of the kind's strategy.
 */
export function subresources({ nodeStreams, tokens }: SubresourceDeps): SubresourceTable {
  const stream = podStream(nodeStreams);
  return {
    Pod: {
      binding,
      eviction,
      log: podLog(nodeStreams),
      exec: stream,
      attach: stream,
      portforward: stream,
      proxy: podProxy(nodeStreams),
    },
    Service: { proxy: serviceProxy(nodeStreams) },
    Node: { proxy: nodeProxy(nodeStreams) },
    ServiceAccount: { token: serviceAccountToken(tokens) },
    Deployment: { scale },
    ReplicaSet: { scale },
    ReplicationController: { scale },
    StatefulSet: { scale },
  };
}
