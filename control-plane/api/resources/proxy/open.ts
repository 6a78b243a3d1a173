import { bracketed } from '../../../../shared/address.ts';
import { ApiError } from '../../../../shared/errors.ts';
import type { Node, Pod, Service } from '../../../../shared/generated/types.ts';
import { fraction } from '../../../../shared/random.ts';
import { matchesLabels, selectorOfMap } from '../../../../shared/selector.ts';
import type { StreamRequest } from '../../../../shared/session.ts';
import type { ProxyTarget, RequestContext, Target } from '../../api.ts';
import { attributesOf } from '../../requests/attributes.ts';
import { getObject } from '../../requests/read.ts';
import { badRequest, notFound } from '../../requests/refusals.ts';
import type { NodeDeps } from '../pod/streams.ts';
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

/** What the kubelet listens on, by which people may name it. */
const kubeletPort = 10_250;

/** Authorizes and finds out what a pod's, service's or node's name leads to. Nothing is connected yet. */
export async function openProxy(
  deps: NodeDeps,
  context: RequestContext,
  target: Target,
  verb: string,
): Promise<ProxyTarget> {
  const { core } = deps;
  const def = core.kind(target.entry.kind as 'Pod' | 'Service' | 'Node');
  core.authorize(context, verb, attributesOf(def, target));
  switch (def.kind) {
    case 'Pod':
      return proxyOfPod(deps, context, target);
    case 'Service':
      return proxyOfService(deps, context, target);
    default:
      return proxyOfNode(deps, context, target);
  }
}

async function proxyOfPod(deps: NodeDeps, context: RequestContext, target: Target): Promise<ProxyTarget> {
  const { core } = deps;
  const { scheme, name, port } = parseProxyName(target.name, 'pod');
  const pod = (await getObject(core, context, core.kind('Pod'), { ...target, name })) as Pod;
  const address = proxyableAddress(pod);
  const said = port || String(firstPort(pod) ?? '');
  const host = said === '' ? bracketed(address) : `${bracketed(address)}:${said}`;
  const number = said === '' ? (scheme === 'https' ? 443 : 80) : Number(said);
  const known = Number.isInteger(number) && number > 0 && number < 65_536;
  const why = /^\d+$/.test(said) ? `address ${said}: invalid port` : `lookup tcp/${said}: unknown port`;
  return {
    ...{ scheme, host },
    // Go finds out when it dials.
    connect: known
      ? connector(deps, context, pod.spec.nodeName ?? '', podStream({ pod, address, port: number }))
      : () => Promise.reject(new ApiError('ServiceUnavailable', `dial tcp: ${why}`)),
  };
}

async function proxyOfService(deps: NodeDeps, context: RequestContext, target: Target): Promise<ProxyTarget> {
  const { core } = deps;
  const { scheme, name, port } = parseProxyName(target.name, 'service');
  const { namespace } = target;
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
  if (!chosen) throw unavailable(`no endpoints available for service ${JSON.stringify(target.name)}`);
  return {
    scheme,
    host: `${bracketed(chosen.address)}:${chosen.port}`,
    connect: connector(deps, context, chosen.pod.spec.nodeName ?? '', podStream(chosen)),
  };
}

async function proxyOfNode(deps: NodeDeps, context: RequestContext, target: Target): Promise<ProxyTarget> {
  const { name, port } = parseProxyName(target.name, 'node');
  const node = (await getObject(deps.core, context, deps.core.kind('Node'), { name })) as Node;
  if (port !== '' && port !== String(kubeletPort)) {
    throw badRequest(`port ${port} of node ${name} cannot be reached: a node's agent is reached without a port`);
  }
  const address = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? name;
  return {
    scheme: 'http',
    host: `${bracketed(address)}:${kubeletPort}`,
    connect: connector(deps, context, name, { stream: 'kubelet', parameters: {} }),
  };
}

function hasSelector({ spec }: Service): boolean {
  return Object.keys(spec?.selector ?? {}).length > 0;
}

function podsBehind(service: Service, pods: readonly Pod[]): Pod[] {
  const selector = selectorOfMap(service.spec?.selector);
  return pods.filter((pod) => matchesLabels(selector, pod.metadata.labels) && serves(service, pod));
}

function podStream({ pod, address, port }: PodPort): StreamRequest {
  const { namespace = '', name, uid } = pod.metadata;
  return { stream: 'portForward', parameters: { namespace, pod: name, uid, port, address } };
}

function connector(
  { nodeStreams }: NodeDeps,
  context: RequestContext,
  node: string,
  request: StreamRequest,
): ProxyTarget['connect'] {
  return async () => nodeStreams.open(node, request, context.signal);
}

function unavailable(message: string): ApiError {
  return new ApiError('ServiceUnavailable', message);
}
