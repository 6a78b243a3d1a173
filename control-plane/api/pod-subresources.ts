import { ApiError } from '../../shared/errors.ts';
import type { DeleteOptions, Pod, Status } from '../../shared/generated/types.ts';
import { decodeMessage } from '../../shared/schema/decode.ts';
import type { LogStreamParameters } from '../../shared/session.ts';
import type { LogQuery, MutateOptions, RequestContext, Target } from './api.ts';
import { boundPod, unbindable } from './bind.ts';
import type { Core } from './core.ts';
import { deleteObject, success } from './delete.ts';
import { guardedUpdate } from './guarded-update.ts';
import { isRecord } from './patch/merge.ts';
import { getObject } from './read.ts';
import { badRequest } from './refusals.ts';
import { askedOf } from './update.ts';

/** The annotation by which a pod names the container that is meant when none is. */
const defaultContainer = 'kubectl.kubernetes.io/default-container';

/**
 * A single binding as Kubernetes' schedulers ask for it: it names no guard, so it is taken without a look at what the
 * node has left; the guard is bumped, so that decisions made before do not overcommit the node.
 */
export async function createBinding(
  core: Core,
  context: RequestContext,
  target: Target,
  body: unknown,
  options: MutateOptions = {},
): Promise<Status> {
  const def = core.kind('Pod');
  core.authorize(context, 'create', askedOf(def, target));
  const node = isRecord(body) && isRecord(body.target) ? body.target.name : undefined;
  if (typeof node !== 'string' || node === '') throw badRequest('target.name: Required value');
  const kind = isRecord(body) && isRecord(body.target) ? body.target.kind : undefined;
  if (kind !== undefined && kind !== '' && kind !== 'Node') {
    throw badRequest(`target.kind: Unsupported value: "${kind}": supported values: "Node"`);
  }
  const meta = isRecord(body) && isRecord(body.metadata) ? body.metadata : {};
  await guardedUpdate(
    core,
    context,
    { def, namespace: target.namespace, name: target.name },
    (current) => {
      const fault = unbindable(core, current as Pod, typeof meta.uid === 'string' ? meta.uid : undefined);
      if (fault) throw fault;
      return { type: 'put', object: boundPod(current as Pod, node, core.deps.clock.now()) };
    },
    options.dryRun,
  );
  return created();
}

/** Deletes the pod on behalf of whoever empties its node, as far as its disruption budget allows. */
export async function createEviction(
  core: Core,
  context: RequestContext,
  target: Target,
  body: unknown,
  options: MutateOptions = {},
): Promise<Status> {
  const def = core.kind('Pod');
  core.authorize(context, 'create', askedOf(def, target));
  const eviction = isRecord(body) ? body : {};
  const { kind, metadata } = eviction;
  if (kind !== undefined && kind !== 'Eviction') throw badRequest(`not a Eviction object: ${kind}`);
  if (isRecord(metadata) && metadata.name !== undefined && metadata.name !== target.name) {
    throw badRequest('name in URL does not match name in Eviction object');
  }
  const given = isRecord(eviction.deleteOptions) ? deleteOptionsOf(eviction.deleteOptions) : {};
  const dryRun = options.dryRun ? ['All'] : given.dryRun;
  await deleteObject(core, context, def, target, { ...given, dryRun }, { as: 'eviction' });
  return created();
}

function deleteOptionsOf({ kind: _kind, apiVersion: _apiVersion, ...rest }: Record<string, unknown>): DeleteOptions {
  return decodeMessage('k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions', rest).object as DeleteOptions;
}

/** What a subresource answers that makes something happen, and no object. */
function created(): Status {
  return { ...success(), code: 201 };
}

export async function openLogs(
  core: Core,
  context: RequestContext,
  target: Target,
  query: LogQuery,
): Promise<AsyncIterable<Uint8Array>> {
  const def = core.kind('Pod');
  core.authorize(context, 'get', askedOf(def, { ...target, subresource: 'log' }));
  const pod = (await getObject(core, context, def, target)) as Pod;
  const parameters = logParameters(pod, query, core.deps.clock.now());
  const node = pod.spec.nodeName;
  if (!node) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  const { nodeStreams } = core.deps;
  if (!nodeStreams) throw new ApiError('ServiceUnavailable', 'this server has no connections to nodes');
  return nodeStreams.logs(node, parameters, context.signal);
}

function logParameters(pod: Pod, query: LogQuery, now: number): LogStreamParameters {
  if (query.sinceSeconds !== undefined && query.sinceTime !== undefined) {
    throw badRequest('at most one of `sinceTime` or `sinceSeconds` may be specified');
  }
  for (const name of ['sinceSeconds', 'tailLines', 'limitBytes'] as const) {
    const value = query[name];
    const least = name === 'tailLines' ? 0 : 1;
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least)) {
      throw badRequest(`${name}: Invalid value: ${value}: must be greater than or equal to ${least}`);
    }
  }
  const container = containerOf(pod, query.container);
  refuseWaiting(pod, container, query.previous ?? false);
  return {
    namespace: pod.metadata.namespace ?? '',
    pod: pod.metadata.name,
    uid: pod.metadata.uid,
    container,
    follow: query.follow ?? false,
    previous: query.previous ?? false,
    timestamps: query.timestamps ?? false,
    ...sinceOf(query, now),
    ...(query.tailLines === undefined ? {} : { tail: query.tailLines }),
    ...(query.limitBytes === undefined ? {} : { limitBytes: query.limitBytes }),
  };
}

function sinceOf({ sinceSeconds, sinceTime }: LogQuery, now: number): { since?: number } {
  if (sinceSeconds !== undefined) return { since: now - sinceSeconds * 1000 };
  if (sinceTime === undefined) return {};
  const since = Date.parse(sinceTime);
  if (Number.isNaN(since)) throw badRequest(`sinceTime: Invalid value: "${sinceTime}": must be an RFC 3339 time`);
  return { since };
}

/** The container that a request means: named, or by the annotation, or the only one. */
export function containerOf(pod: Pod, wanted: string | undefined): string {
  const { containers, initContainers = [] } = pod.spec;
  const { name } = pod.metadata;
  const all = [...initContainers, ...containers].map((container) => container.name);
  if (wanted) {
    if (!all.includes(wanted)) throw badRequest(`container ${wanted} is not valid for pod ${name}`);
    return wanted;
  }
  const preferred = pod.metadata.annotations?.[defaultContainer];
  if (preferred && all.includes(preferred)) return preferred;
  const [first] = containers;
  if (all.length === 1 && first) return first.name;
  const choices = containers.map((container) => container.name).join(' ');
  const init =
    initContainers.length > 0 ? ` or one of the init containers: [${initContainers.map((c) => c.name).join(' ')}]` : '';
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${choices}]${init}`);
}

/** A container that has never run has no log; Kubernetes says so instead of showing nothing. */
function refuseWaiting(pod: Pod, container: string, previous: boolean): void {
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  const status = statuses.find((one) => one.name === container);
  const { name } = pod.metadata;
  if (previous) {
    if (status && !status.lastState?.terminated) {
      throw badRequest(`previous terminated container "${container}" in pod "${name}" not found`);
    }
    return;
  }
  const waiting = status?.state?.waiting;
  if (!waiting || status.lastState?.terminated) return;
  throw badRequest(`container "${container}" in pod "${name}" is waiting to start: ${waiting.reason ?? 'waiting'}`);
}
