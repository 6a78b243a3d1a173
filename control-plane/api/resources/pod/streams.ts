import { ApiError } from '../../../../shared/errors.ts';
import type { Pod } from '../../../../shared/generated/types.ts';
import type { Subresource } from '../../../../shared/kinds/table.ts';
import type { StreamRequest } from '../../../../shared/session.ts';
import type { ConnectQuery, NodeStreams, PodStream, RequestContext, Target } from '../../api.ts';
import { attributesOf } from '../../requests/attributes.ts';
import type { Core } from '../../requests/core.ts';
import { getObject } from '../../requests/read.ts';
import { badRequest } from '../../requests/refusals.ts';
import { containerOf } from './containers.ts';

const subresources = {
  exec: 'exec',
  attach: 'attach',
  portforward: 'portforward',
} as const satisfies Record<ConnectQuery['type'], Subresource>;

/** What a request that reaches into a node needs. */
export interface NodeDeps {
  readonly core: Core;
  readonly nodeStreams: NodeStreams;
}

/** Authorizes, checks that the pod can do what is asked, and opens the stream on its node. */
export async function openPodStream(
  { core, nodeStreams }: NodeDeps,
  context: RequestContext,
  target: Target,
  query: ConnectQuery,
  verb: 'create' | 'get' = 'create',
): Promise<PodStream> {
  const pod = await authorizedPod(core, context, { ...target, subresource: subresources[query.type] }, verb);
  const request = streamRequest(pod, query);
  const node = nodeOf(pod);
  return nodeStreams.open(node, request, context.signal);
}

/** Checks what `openPodStream` checks whatever the query. */
export async function checkPodStream(
  { core, nodeStreams }: NodeDeps,
  context: RequestContext,
  target: Target,
  verb: 'create' | 'get' = 'create',
): Promise<void> {
  const node = nodeOf(await authorizedPod(core, context, target, verb));
  await nodeStreams.reach(node, context.signal);
}

/** Those of a server without connections to nodes. */
export const noNodeStreams: NodeStreams = { logs: refuse, open: refuse, reach: refuse };

async function refuse(): Promise<never> {
  throw new ApiError('ServiceUnavailable', 'this server has no connections to nodes');
}

async function authorizedPod(core: Core, context: RequestContext, target: Target, verb: string): Promise<Pod> {
  const def = core.kind('Pod');
  core.authorize(context, verb, attributesOf(def, target));
  return (await getObject(core, context, def, target)) as Pod;
}

function nodeOf({ metadata, spec }: Pod): string {
  if (!spec.nodeName) throw badRequest(`pod ${metadata.name} does not have a host assigned`);
  return spec.nodeName;
}

/** What the node is asked for. BadRequest when the pod has no such container, or the query asks for nothing. */
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

/** kubectl's sentences: what has ended has no process to join. */
function refuseCompleted(pod: Pod, type: 'exec' | 'attach'): void {
  const phase = pod.status?.phase;
  if (phase !== 'Succeeded' && phase !== 'Failed') return;
  const doing = type === 'exec' ? 'exec into' : 'attach to';
  throw badRequest(`cannot ${doing} a container in a completed pod; current phase is ${phase}`);
}
