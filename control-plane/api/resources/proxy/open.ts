import { bracketed } from '../../../../shared/address.ts';
import { ApiError } from '../../../../shared/errors.ts';
import type { Node, Pod, Service } from '../../../../shared/generated/types.ts';
import { fraction } from '../../../../shared/random.ts';
import { matchesLabels, selectorOfMap } from '../../../../shared/selector.ts';
import type { StreamRequest } from '../../../../shared/session.ts';
import type { NodeStreams, PodStream } from '../../api.ts';
import { getObject } from '../../requests/read.ts';
import { badRequest, notFound } from '../../requests/refusals.ts';
import { attributesOf, type ObjectRequest } from '../../requests/request.ts';
import type { SubresourceHandler } from '../../requests/subresource.ts';
import {
  firstPort,
  type PodPort,
  parseProxyName,
  portNumbered,
  portsOfEndpoints,
  portsOfPods,
  proxyableAddress,
  serves,
} from './names.ts';

/** The kubelet's port, which a client may name. */
const kubeletPort = 10_250;

/** `pods/NAME/proxy`. NAME may hold a scheme and a port. */
export const podProxy = (nodeStreams: NodeStreams): SubresourceHandler => proxyTo(nodeStreams, proxyOfPod);

/** `services/NAME/proxy`: one of the pods behind the service. */
export const serviceProxy = (nodeStreams: NodeStreams): SubresourceHandler => proxyTo(nodeStreams, proxyOfService);

/** `nodes/NAME/proxy`: the node's agent. */
export const nodeProxy = (nodeStreams: NodeStreams): SubresourceHandler => proxyTo(nodeStreams, proxyOfNode);

/** What a proxied request is passed on to. Nothing is connected yet. */
interface Backend {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly node: string;
  /** Or why nothing can be connected, which Kubernetes finds out when it dials. */
  readonly stream: StreamRequest | ApiError;
}

function proxyTo(
  nodeStreams: NodeStreams,
  backendOf: (request: ObjectRequest) => Promise<Backend>,
): SubresourceHandler {
  return {
    async proxy(request, verb) {
      const { core, context } = request;
      core.authorize(context, verb, attributesOf(request));
      const { scheme, host, node, stream } = await backendOf(request);
      const connect = async (): Promise<PodStream> => {
        if (stream instanceof ApiError) throw stream;
        return nodeStreams.open(node, stream, context.signal);
      };
      return { scheme, host, connect };
    },
  };
}

async function proxyOfPod(request: ObjectRequest): Promise<Backend> {
  const { scheme, name, port } = parseProxyName(request.name, 'pod');
  const pod = (await getObject({ ...request, name })) as Pod;
  const address = proxyableAddress(pod);
  const said = port || String(firstPort(pod) ?? '');
  const host = said === '' ? bracketed(address) : `${bracketed(address)}:${said}`;
  const number = said === '' ? (scheme === 'https' ? 443 : 80) : Number(said);
  const valid = Number.isInteger(number) && number > 0 && number < 65_536;
  const why = /^\d+$/.test(said) ? `address ${said}: invalid port` : `lookup tcp/${said}: unknown port`;
  return {
    scheme,
    host,
    node: pod.spec.nodeName ?? '',
    stream: valid ? forwardTo({ pod, address, port: number }) : unavailable(`dial tcp: ${why}`),
  };
}

async function proxyOfService(request: ObjectRequest): Promise<Backend> {
  const { core, context, namespace } = request;
  const { scheme, name, port } = parseProxyName(request.name, 'service');
  const numbered = /^[+-]?\d+$/.test(port);
  await core.reads.catchUp(context.signal);
  const { cache } = core;
  const key = `${namespace}/${name}`;
  const service = cache.get('Service', key);
  const endpoints = cache.get('Endpoints', key);
  let portName = port;
  if (numbered) {
    if (!service) throw notFound(core.kind('Service'), name);
    const found = portNumbered(service, Number(port));
    if (!found) throw unavailable(`no service port ${Number(port)} found for service ${JSON.stringify(name)}`);
    portName = found.name ?? '';
  }
  let found: PodPort[];
  if (endpoints?.subsets?.length) {
    found = portsOfEndpoints(endpoints, portName, (pod) => cache.get('Pod', `${namespace}/${pod}`));
  } else {
    const selects = service && hasSelector(service);
    // Kubernetes looks for the Endpoints, which are there whenever the service selects something.
    if (!endpoints && !selects) throw notFound(core.kind('Endpoints'), name);
    const pods = selects ? podsBehind(service, cache.list('Pod', namespace)) : [];
    if (pods.length === 0) throw unavailable(`no endpoints available for service ${JSON.stringify(name)}`);
    found = service ? portsOfPods(service, portName, pods) : [];
  }
  const chosen = found[Math.floor(fraction(core.random) * found.length)];
  if (!chosen) throw unavailable(`no endpoints available for service ${JSON.stringify(request.name)}`);
  return {
    scheme,
    host: `${bracketed(chosen.address)}:${chosen.port}`,
    node: chosen.pod.spec.nodeName ?? '',
    stream: forwardTo(chosen),
  };
}

async function proxyOfNode(request: ObjectRequest): Promise<Backend> {
  const { name, port } = parseProxyName(request.name, 'node');
  const node = (await getObject({ ...request, name })) as Node;
  if (port !== '' && port !== String(kubeletPort)) {
    throw badRequest(`port ${port} of node ${name} cannot be reached: a node's agent is reached without a port`);
  }
  const address = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? name;
  return {
    scheme: 'http',
    host: `${bracketed(address)}:${kubeletPort}`,
    node: name,
    stream: { stream: 'kubelet', parameters: {} },
  };
}

function hasSelector({ spec }: Service): boolean {
  return Object.keys(spec?.selector ?? {}).length > 0;
}

function podsBehind(service: Service, pods: readonly Pod[]): Pod[] {
  const selector = selectorOfMap(service.spec?.selector);
  return pods.filter((pod) => matchesLabels(selector, pod.metadata.labels) && serves(service, pod));
}

function forwardTo({ pod, address, port }: PodPort): StreamRequest {
  const { namespace = '', name, uid } = pod.metadata;
  return { stream: 'portForward', parameters: { namespace, pod: name, uid, port, address } };
}

function unavailable(message: string): ApiError {
  return new ApiError('ServiceUnavailable', message);
}
