import { ApiError } from '../../../../shared/errors.ts';
import type { Pod } from '../../../../shared/generated/types.ts';
import type { StreamRequest } from '../../../../shared/session.ts';
import type { ConnectQuery, NodeStreams } from '../../api.ts';
import { getObject } from '../../requests/read.ts';
import { badRequest } from '../../requests/refusals.ts';
import { attributesOf, type ObjectRequest } from '../../requests/request.ts';
import type { SubresourceHandler } from '../../requests/subresource.ts';
import { containerOf } from './containers.ts';

/** `pods/NAME/exec`, `attach` and `portforward`: streams on the pod's node. */
export function podStream(nodeStreams: NodeStreams): SubresourceHandler {
  return {
    async connect(request, query, verb) {
      const pod = await authorizedPod(request, verb);
      const stream = streamRequest(pod, query);
      return nodeStreams.open(nodeOf(pod), stream, request.context.signal);
    },
    async checkConnect(request, verb) {
      const pod = await authorizedPod(request, verb);
      await nodeStreams.reach(nodeOf(pod), request.context.signal);
    },
  };
}

/** Those of a server without connections to nodes. */
export const noNodeStreams: NodeStreams = { logs: unreachable, open: unreachable, reach: unreachable };

async function unreachable(): Promise<never> {
  throw new ApiError('ServiceUnavailable', 'this server has no connections to nodes');
}

async function authorizedPod(request: ObjectRequest, verb: string): Promise<Pod> {
  request.core.authorize(request.context, verb, attributesOf(request));
  return (await getObject(request)) as Pod;
}

function nodeOf({ metadata, spec }: Pod): string {
  if (!spec.nodeName) throw badRequest(`pod ${metadata.name} does not have a host assigned`);
  return spec.nodeName;
}

/** The request to the node. Throws BadRequest if the pod has no such container, or the query names no stream. */
export function streamRequest(pod: Pod, query: ConnectQuery): StreamRequest {
  const of = { namespace: pod.metadata.namespace ?? '', pod: pod.metadata.name, uid: pod.metadata.uid };
  if (query.type === 'portforward') {
    const { port } = query;
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw badRequest(`unable to parse "${port}" as a port: must be between 1 and 65535, inclusive`);
    }
    return { stream: 'portForward', parameters: { ...of, port } };
  }
  const container = containerOf(pod, query.container);
  refuseCompleted(pod, query.type);
  const { stdin = false, stdout = false, stderr = false, tty = false, command = [] } = query;
  if (!stdin && !stdout && !(stderr && !tty)) throw badRequest('you must specify at least 1 of stdin, stdout, stderr');
  const parameters = { ...of, container, stdin, stdout, stderr: stderr && !tty, tty };
  if (query.type === 'attach') return { stream: 'attach', parameters };
  if (command.length === 0) throw badRequest('you must specify at least one command for the container');
  return { stream: 'exec', parameters: { ...parameters, command: [...command] } };
}

/** A completed pod has no process to join. The messages are kubectl's. */
function refuseCompleted(pod: Pod, type: 'exec' | 'attach'): void {
  const phase = pod.status?.phase;
  if (phase !== 'Succeeded' && phase !== 'Failed') return;
  const doing = type === 'exec' ? 'exec into' : 'attach to';
  throw badRequest(`cannot ${doing} a container in a completed pod; current phase is ${phase}`);
}
