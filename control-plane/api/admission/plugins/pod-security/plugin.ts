import type { Kind, Namespace, Pod, PodTemplateSpec } from '../../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../../shared/object.ts';
import { invalidError } from '../../../../../shared/schema/causes.ts';
import { forbidden, notFound } from '../../../requests/refusals.ts';
import type { AdmissionPlugin, AdmissionRequest, Reader } from '../../plugin.ts';
import { containersOf, type Subject } from './check.ts';
import { formatDetails, formatReasons, violationsOf } from './evaluate.ts';
import { compareLevels, formatLevelVersion, type LevelVersion, type Policy, policyOf, prefix } from './policy.ts';

/** The most pods of a namespace that a new level is tried on. */
const maxPodsToCheck = 3000;

const podRules = { verbs: ['create', 'update'], kinds: ['Pod'] } as const;

/** The kinds with a pod template, and the path to it. */
const templates: Readonly<Record<string, readonly string[]>> = {
  PodTemplate: ['template'],
  ReplicationController: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  Deployment: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  Job: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
};

/**
 * Pod Security admission (Kubernetes, "Pod Security Admission"): every pod is checked against the level that its namespace enforces at
 * the revision that the pod is stored with. Pods and their templates are checked against the `warn` and `audit` levels.
 */
export const podSecurity: AdmissionPlugin = {
  name: 'PodSecurity',
  rules: [podRules, { ...podRules, subresources: ['ephemeralcontainers'] }],
  contribute(request, object, old, states) {
    if (old && !isSignificant(object as Pod, old as Pod)) return undefined;
    const { namespace = '' } = request;
    const state = states.get('Namespace', namespace);
    // The cache may not show the namespace yet: after a refusal it is read from the store.
    if (!state) throw notFound({ plural: 'namespaces', group: '' }, namespace);
    checkPod(request, policyOf(state.object.metadata.labels).policy, object as Pod);
    // A create guards its namespace itself.
    if (!old) return undefined;
    return { guards: [{ key: states.key('Namespace', namespace), revision: state.revision }], writes: [] };
  },
};

/** Warns of pod templates whose pods the namespace would refuse, and of a level that the namespace's pods violate. */
export const podSecurityWarnings: AdmissionPlugin = {
  name: 'PodSecurity warnings',
  rules: [
    { verbs: ['create', 'update'], kinds: Object.keys(templates) },
    { verbs: ['create', 'update'], kinds: ['Namespace'] },
  ],
  validate(request, object, old, reader) {
    if (!object) return;
    if (request.entry.kind === 'Namespace') checkNamespace(request, object as Namespace, old as Namespace, reader);
    else warnTemplate(request, object, old, reader);
  },
};

function checkPod(request: AdmissionRequest, policy: Policy, pod: Pod): void {
  const violations = violationsOf(policy.enforce, pod);
  request.audit?.note(`${prefix}enforce-policy`, formatLevelVersion(policy.enforce));
  if (violations.length > 0) {
    const why = `violates PodSecurity ${JSON.stringify(formatLevelVersion(policy.enforce))}: ${formatDetails(violations)}`;
    throw forbidden(request.entry, request.name, why);
  }
  report(request, policy, pod);
}

/** Adds violations of the `warn` level to the warnings, of the `audit` level to the audit event. */
function report({ warnings, audit }: AdmissionRequest, policy: Policy, subject: Subject): void {
  const text = wouldViolate(policy.warn, subject);
  // A retry finds the same again.
  if (text && !warnings.includes(text)) warnings.push(text);
  const found = audit && wouldViolate(policy.audit, subject);
  if (found) audit.note(`${prefix}audit-violations`, found);
}

function wouldViolate(level: LevelVersion, subject: Subject): string | undefined {
  const violations = violationsOf(level, subject);
  if (violations.length === 0) return undefined;
  return `would violate PodSecurity ${JSON.stringify(formatLevelVersion(level))}: ${formatDetails(violations)}`;
}

function warnTemplate(
  request: AdmissionRequest,
  object: KubeObject,
  old: KubeObject | undefined,
  reader: Reader,
): void {
  const namespace = request.namespace ? reader.get('Namespace', request.namespace) : undefined;
  const { policy } = policyOf(namespace?.metadata.labels);
  if (policy.warn.level === 'privileged' && (!request.audit || policy.audit.level === 'privileged')) return;
  const template = templateOf(object);
  if (!template?.spec || (old && template === templateOf(old))) return;
  report(request, policy, { metadata: template.metadata ?? {}, spec: template.spec });
}

function templateOf(object: KubeObject): PodTemplateSpec | undefined {
  let at: unknown = object;
  for (const step of templates[object.kind] ?? []) at = (at as Record<string, unknown> | undefined)?.[step];
  return at as PodTemplateSpec | undefined;
}

/** Refuses invalid labels, unless they are unchanged. A stricter level is tried on the pods of the namespace. */
function checkNamespace(request: AdmissionRequest, next: Namespace, old: Namespace | undefined, reader: Reader): void {
  const { policy, causes } = policyOf(next.metadata.labels);
  const before = policyOf(old?.metadata.labels);
  if (causes.length > 0 && JSON.stringify(causes) !== JSON.stringify(before.causes)) {
    throw invalidError(request.entry, request.name, causes);
  }
  if (!old) return;
  const [{ enforce }, was] = [policy, before.policy.enforce];
  if (enforce.level === 'privileged') return;
  if (enforce.minor === was.minor && compareLevels(enforce.level, was.level) <= 0) return;
  for (const text of existingPods(next.metadata.name, enforce, reader)) {
    if (!request.warnings.includes(text)) request.warnings.push(text);
  }
}

function existingPods(namespace: string, enforce: LevelVersion, reader: Reader): string[] {
  const pods = reader.list('Pod' satisfies Kind, namespace);
  const found = new Map<string, string[]>();
  for (const pod of pods.slice(0, maxPodsToCheck)) {
    const violations = violationsOf(enforce, pod);
    if (violations.length === 0) continue;
    const reasons = formatReasons(violations);
    const names = found.get(reasons);
    if (names) names.push(pod.metadata.name);
    else found.set(reasons, [pod.metadata.name]);
  }
  const warnings: string[] = [];
  if (pods.length > maxPodsToCheck) {
    const share = `the first ${maxPodsToCheck} of ${pods.length} existing pods`;
    warnings.push(`new PodSecurity enforce level only checked against ${share}`);
  }
  if (found.size === 0) return warnings;
  const level = JSON.stringify(formatLevelVersion(enforce));
  warnings.push(
    `existing pods in namespace ${JSON.stringify(namespace)} violate the new PodSecurity enforce level ${level}`,
  );
  const each = [...found].map(([reasons, names]) => `${firstOf(names)}: ${reasons}`);
  return [...warnings, ...each.sort()];
}

function firstOf(names: readonly string[]): string {
  const [first] = [...names].sort();
  const others = names.length - 1;
  return others === 0 ? `${first}` : `${first} (and ${others} other ${others === 1 ? 'pod' : 'pods'})`;
}

/** Of what may change in a pod, only images, containers and their profiles matter for security. */
function isSignificant(next: Pod, old: Pod): boolean {
  return securityOf(next) !== securityOf(old);
}

function securityOf({ metadata, spec }: Pod): string {
  const profiles = Object.entries(metadata.annotations ?? {}).filter(([name]) =>
    name.includes('seccomp.security.alpha'),
  );
  return JSON.stringify([containersOf(spec).map(({ name, image }) => [name, image]), profiles]);
}
