import { isDeepStrictEqual } from 'node:util';
import type { Container, Pod, ResourceRequirements, StatusCause } from '../../generated/types.ts';
import { isPodTerminal, isSidecar, qosClass } from '../../pod.ts';
import { compareQuantities } from '../../quantity.ts';
import { forbidden, invalid } from '../../schema/causes.ts';
import type { PartStrategy } from '../kind.ts';
import { validatePodSpec } from './pod-validation.ts';

/** The resources of a running container that can be resized. */
const resizable: ReadonlySet<string> = new Set(['cpu', 'memory']);

/** `pods/resize`: requests and limits of containers, also while they run (Kubernetes, "Resize CPU and Memory Resources"). */
export const resize: PartStrategy<Pod> = {
  prepare(pod, old) {
    const { spec } = pod;
    pod.spec = {
      ...old.spec,
      containers: resized(old.spec.containers, spec.containers),
      ...(old.spec.initContainers ? { initContainers: resized(old.spec.initContainers, spec.initContainers) } : {}),
    };
    if (old.status === undefined) delete pod.status;
    else pod.status = old.status;
    pod.metadata = { ...old.metadata, managedFields: pod.metadata.managedFields };
    if (!same(pod.spec, old.spec)) pod.metadata.generation = (old.metadata.generation ?? 0) + 1;
  },
  validate(pod, old, causes) {
    validatePodSpec(pod.spec, 'spec', causes);
    if (isPodTerminal(old)) causes.push(forbidden('spec', 'a pod that has ended cannot be resized'));
    if (qosClass(pod.spec) !== qosClass(old.spec)) {
      const why = 'Pod QOS Class may not change as a result of resizing';
      causes.push(invalid('spec', qosClass(pod.spec), why));
    }
    validateAll(pod.spec.containers, old.spec.containers, 'spec.containers', pod, causes);
    validateAll(pod.spec.initContainers, old.spec.initContainers, 'spec.initContainers', pod, causes);
  },
};

/** The old containers with the new resources. */
function resized(before: readonly Container[] = [], wanted: readonly Container[] = []): Container[] {
  return before.map((container) => {
    const next = wanted.find(({ name }) => name === container.name);
    if (!next) return container;
    return { ...container, resources: next.resources, resizePolicy: next.resizePolicy };
  });
}

function validateAll(
  containers: readonly Container[] = [],
  before: readonly Container[] = [],
  field: string,
  pod: Pod,
  causes: StatusCause[],
): void {
  for (const [index, container] of containers.entries()) {
    const old = before[index];
    if (!old || same(container.resources, old.resources)) continue;
    const path = `${field}[${index}]`;
    if (field === 'spec.initContainers' && !isSidecar(container)) {
      causes.push(forbidden(`${path}.resources`, 'resources for non-sidecar init containers are immutable'));
    }
    validateChange(container, old.resources ?? {}, `${path}.resources`, pod, causes);
  }
}

function validateChange(
  { resources = {}, resizePolicy = [] }: Container,
  before: ResourceRequirements,
  path: string,
  pod: Pod,
  causes: StatusCause[],
): void {
  for (const part of ['requests', 'limits'] as const) {
    const [now, was] = [resources[part] ?? {}, before[part] ?? {}];
    for (const name of new Set([...Object.keys(now), ...Object.keys(was)])) {
      if (now[name] === was[name]) continue;
      if (!resizable.has(name)) causes.push(forbidden(path, 'only cpu and memory resources are mutable'));
      else if (now[name] === undefined) causes.push(forbidden(`${path}.${part}`, `resource ${part} cannot be removed`));
    }
  }
  const [now, was] = [resources.limits?.memory, before.limits?.memory];
  const restarts = resizePolicy.some(
    ({ resourceName, restartPolicy }) => resourceName === 'memory' && restartPolicy === 'RestartContainer',
  );
  if (pod.spec.nodeName && now !== undefined && was !== undefined && compareQuantities(now, was) < 0 && !restarts) {
    const why = 'memory limits cannot be decreased unless resizePolicy is RestartContainer';
    causes.push(forbidden(`${path}.limits`, why));
  }
}

function same(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(plain(a), plain(b));
}

/** Without fields that are there but undefined. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
