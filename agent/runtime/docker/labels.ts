import type { ContainerSpec, PodRef, SandboxSpec } from '../runtime.ts';

/**
 * What the engine keeps for us. A name is a lock: it is made of what a container is for, so that making it twice finds
 * the first one. Labels carry what cannot be read back from the engine otherwise.
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

/** Of a container that is made only to look at its image. */
export function scratchLabels(scope: string): Labels {
  return { [key.scope]: scope, [key.role]: 'scratch' };
}

export function isScratch(labels: Labels): boolean {
  return labels[key.role] === 'scratch';
}

/** What labels say; undefined where they are not ours or of another scope. */
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

/** The pod of anything that is ours, from the labels that an event carries. */
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
    // Written by something else than us: not ours, then.
    return undefined;
  }
}
