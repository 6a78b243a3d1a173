import { baselineChecks } from './baseline.ts';
import type { Check, Subject, Violation } from './check.ts';
import type { LevelVersion } from './policy.ts';
import { restrictedChecks } from './restricted.ts';

/** The newest minor version with rules of its own; later ones have the same. */
const newest = 32;

/** All checks of the level that the pod does not meet, in Kubernetes' order. */
export function violationsOf({ level, minor }: LevelVersion, subject: Subject): Violation[] {
  if (level === 'privileged') return [];
  const at = Math.min(minor, newest);
  const applies = ({ since, until = Number.POSITIVE_INFINITY }: Check): boolean => since <= at && at < until;
  const restricted = level === 'restricted' ? restrictedChecks.filter(applies) : [];
  const overridden = new Set(restricted.map(({ overrides }) => overrides));
  const baseline = baselineChecks.filter((check) => applies(check) && !overridden.has(check.id));
  return [...baseline, ...restricted].map(({ find }) => find(subject, at)).filter((one) => !!one);
}

/** `host namespaces (hostNetwork=true), privileged (container "a" must not …)` */
export function formatDetails(violations: readonly Violation[]): string {
  return violations.map(({ reason, detail }) => (detail ? `${reason} (${detail})` : reason)).join(', ');
}

/** `host namespaces, privileged` */
export function formatReasons(violations: readonly Violation[]): string {
  return violations.map(({ reason }) => reason).join(', ');
}
