import type { PodSpec } from '../../../../../shared/generated/types.ts';
import { seccompProfile as badSeccompProfile, isSafeSeccomp, settersOf } from './baseline.ts';
import { type Check, containersOf, type Subject, type Violation } from './check.ts';
import { distinct, named, plural, quoted } from './words.ts';

/** The level `restricted`: hardened, on top of `baseline`. Sorted by id, which is the order of the messages. */
export const restrictedChecks: readonly Check[] = [
  { id: 'allowPrivilegeEscalation', since: 8, find: allowPrivilegeEscalation },
  { id: 'capabilities_restricted', since: 22, overrides: 'capabilities_baseline', find: capabilities },
  { id: 'restrictedVolumes', since: 0, overrides: 'hostPathVolumes', find: volumes },
  { id: 'runAsNonRoot', since: 0, find: runAsNonRoot },
  { id: 'runAsUser', since: 23, find: runAsUser },
  { id: 'seccompProfile_restricted', since: 19, overrides: 'seccompProfile_baseline', find: seccompProfile },
];

/** From this minor version on, checks of Linux features do not apply to Windows pods. */
const windowsExempt = 25;

const allowedVolumes: ReadonlySet<string> = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

function isExempt(spec: PodSpec, minor: number): boolean {
  return minor >= windowsExempt && spec.os?.name === 'windows';
}

function allowPrivilegeEscalation({ spec }: Subject, minor: number): Violation | undefined {
  if (isExempt(spec, minor)) return undefined;
  const containers = containersOf(spec)
    .filter(({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false)
    .map(({ name }) => name);
  if (containers.length === 0) return undefined;
  const detail = `${named('container', containers)} must set securityContext.allowPrivilegeEscalation=false`;
  return { reason: 'allowPrivilegeEscalation != false', detail };
}

function capabilities({ spec }: Subject, minor: number): Violation | undefined {
  if (isExempt(spec, minor)) return undefined;
  const keep: string[] = [];
  const adding: string[] = [];
  const added = new Set<string>();
  for (const { name, securityContext } of containersOf(spec)) {
    const { add = [], drop = [] } = securityContext?.capabilities ?? {};
    if (!drop.includes('ALL')) keep.push(name);
    const bad = add.filter((one) => one !== 'NET_BIND_SERVICE');
    if (bad.length > 0) adding.push(name);
    for (const one of bad) added.add(one);
  }
  const details: string[] = [];
  if (keep.length > 0) details.push(`${named('container', keep)} must set securityContext.capabilities.drop=["ALL"]`);
  if (adding.length > 0) {
    const what = quoted(distinct(added));
    details.push(`${named('container', adding)} must not include ${what} in securityContext.capabilities.add`);
  }
  return details.length > 0 ? { reason: 'unrestricted capabilities', detail: details.join('; ') } : undefined;
}

function volumes({ spec }: Subject): Violation | undefined {
  const bad: string[] = [];
  const types = new Set<string>();
  for (const volume of spec.volumes ?? []) {
    const sources = Object.keys(volume).filter((key) => key !== 'name');
    if (sources.some((source) => allowedVolumes.has(source))) continue;
    bad.push(volume.name);
    types.add(sources[0] ?? 'unknown');
  }
  if (bad.length === 0) return undefined;
  const verb = bad.length === 1 ? 'uses' : 'use';
  const what = `${plural('restricted volume type', types.size)} ${quoted(distinct(types))}`;
  return { reason: 'restricted volume types', detail: `${named('volume', bad)} ${verb} ${what}` };
}

function runAsNonRoot(subject: Subject): Violation | undefined {
  const reason = 'runAsNonRoot != true';
  const setters = settersOf(subject, (context) => context.runAsNonRoot === false);
  if (setters.length > 0) {
    return { reason, detail: `${setters.join(' and ')} must not set securityContext.runAsNonRoot=false` };
  }
  if (subject.spec.securityContext?.runAsNonRoot) return undefined;
  const open = containersOf(subject.spec)
    .filter(({ securityContext }) => securityContext?.runAsNonRoot === undefined)
    .map(({ name }) => name);
  if (open.length === 0) return undefined;
  return { reason, detail: `pod or ${named('container', open)} must set securityContext.runAsNonRoot=true` };
}

function runAsUser(subject: Subject): Violation | undefined {
  const setters = settersOf(subject, (context) => context.runAsUser === 0);
  return setters.length > 0
    ? { reason: 'runAsUser=0', detail: `${setters.join(' and ')} must not set runAsUser=0` }
    : undefined;
}

function seccompProfile(subject: Subject, minor: number): Violation | undefined {
  if (isExempt(subject.spec, minor)) return undefined;
  const bad = badSeccompProfile(subject);
  if (bad) return bad;
  const whole = subject.spec.securityContext?.seccompProfile;
  if (whole && isSafeSeccomp(whole.type)) return undefined;
  const open = containersOf(subject.spec)
    .filter(({ securityContext }) => !securityContext?.seccompProfile)
    .map(({ name }) => name);
  if (open.length === 0) return undefined;
  const setters = `pod or ${named('container', open)}`;
  return {
    reason: 'seccompProfile',
    detail: `${setters} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  };
}
