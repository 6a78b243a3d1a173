import type { ContainerSpec, PodRef, SandboxSpec } from '../runtime.ts';

/**
 * The agent's state in the engine. A container's name is derived from its purpose and so acts as a lock: a second creation finds the first.
 * Labels hold what the engine does not return otherwise.
 */
const key = {
  scope: 'coracle.scope',
  role: 'coracle.role',
  namespace: 'coracle.pod.namespace',
  pod: 'coracle.pod.name',
  uid: 'coracle.pod.uid',
  container: 'coracle.container',
  attempt: 'coracle.attempt',
  sandbox: 'coracle.sandbox',
  image: 'coracle.image',
  spec: 'coracle.sandbox.spec',
  labels: 'coracle.labels',
} as const;

export type Labels = Readonly<Record<string, string>>;

export interface SandboxIdentity {
  readonly role: 'sandbox';
  readonly spec: SandboxSpec;
}

export interface ContainerIdentity {
  readonly role: 'container';
  readonly pod: PodRef;
  readonly name: string;
  readonly attempt: number;
  readonly sandboxId: string;
  readonly image: string;
  readonly labels: Labels;
}

export function sandboxName({ pod, attempt }: SandboxSpec): string {
  return `coracle_POD_${pod.name}_${pod.namespace}_${pod.uid}_${attempt}`;
}

export function containerName({ pod, name, attempt }: ContainerSpec): string {
  return `coracle_${name}_${pod.name}_${pod.namespace}_${pod.uid}_${attempt}`;
}

export function sandboxLabels(scope: string, spec: SandboxSpec): Labels {
  return { ...podLabels(scope, spec.pod, 'sandbox', spec.attempt), [key.spec]: JSON.stringify(spec) };
}

export function containerLabels(scope: string, sandboxId: string, spec: ContainerSpec): Labels {
  return {
    ...podLabels(scope, spec.pod, 'container', spec.attempt),
    [key.container]: spec.name,
    [key.sandbox]: sandboxId,
    [key.image]: spec.image,
    [key.labels]: JSON.stringify(spec.labels),
  };
}

/** Labels of a container that is created only to read its image. */
export function scratchLabels(scope: string): Labels {
  return { [key.scope]: scope, [key.role]: 'scratch' };
}

export function isScratch(labels: Labels): boolean {
  return labels[key.role] === 'scratch';
}

/** The identity from labels; undefined for labels of another program or scope. */
export function identityOf(scope: string, labels: Labels): SandboxIdentity | ContainerIdentity | undefined {
  if (labels[key.scope] !== scope) return undefined;
  const role = labels[key.role];
  if (role === 'sandbox') {
    const spec = parse<SandboxSpec>(labels[key.spec]);
    return spec && { role, spec };
  }
  const uid = labels[key.uid];
  const name = labels[key.container];
  const sandboxId = labels[key.sandbox];
  if (role !== 'container' || uid === undefined || name === undefined || sandboxId === undefined) return undefined;
  return {
    role,
    pod: { namespace: labels[key.namespace] ?? '', name: labels[key.pod] ?? '', uid },
    name,
    attempt: Number(labels[key.attempt] ?? 0),
    sandboxId,
    image: labels[key.image] ?? '',
    labels: parse<Labels>(labels[key.labels]) ?? {},
  };
}

/** The uid of the pod, from the labels of an event; undefined for labels of another program or scope. */
export function podUidOf(labels: Labels): string {
  return labels[key.uid] ?? '';
}

/** Filters for the engine's lists and events. */
export function scopeFilter(scope: string): string {
  return `${key.scope}=${scope}`;
}

export function podFilter(uid: string): string {
  return `${key.uid}=${uid}`;
}

function podLabels(scope: string, pod: PodRef, role: 'sandbox' | 'container', attempt: number): Labels {
  return {
    [key.scope]: scope,
    [key.role]: role,
    [key.namespace]: pod.namespace,
    [key.pod]: pod.name,
    [key.uid]: pod.uid,
    [key.attempt]: String(attempt),
  };
}

function parse<T>(json: string | undefined): T | undefined {
  try {
    return json === undefined ? undefined : (JSON.parse(json) as T);
  } catch {
    // Not written by an agent.
    return undefined;
  }
}
