import type { StatusCause } from '../../../../../shared/generated/types.ts';
import { invalid } from '../../../../../shared/schema/causes.ts';

/** Kubernetes' Pod Security Standards, in order of strictness. */
export const levels = ['privileged', 'baseline', 'restricted'] as const;
export type Level = (typeof levels)[number];

export const modes = ['enforce', 'audit', 'warn'] as const;
export type Mode = (typeof modes)[number];

/** A level as it was in a minor version of Kubernetes 1; Infinity: the newest. */
export interface LevelVersion {
  readonly level: Level;
  readonly minor: number;
}

export type Policy = Readonly<Record<Mode, LevelVersion>>;

export const prefix = 'pod-security.kubernetes.io/';
const openPolicy: LevelVersion = { level: 'privileged', minor: Number.POSITIVE_INFINITY };

/** Without labels: everything is allowed. */
const everythingAllowed: Policy = { enforce: openPolicy, audit: openPolicy, warn: openPolicy };

/**
 * What a namespace's labels ask for. A label that can't be read counts as `restricted` for enforce and as `privileged` for the
 * others, and is named in `causes`.
 */
export function policyOf(labels: Readonly<Record<string, string>> | undefined): {
  readonly policy: Policy;
  readonly causes: readonly StatusCause[];
} {
  if (!labels || !hasPolicy(labels)) return { policy: everythingAllowed, causes: [] };
  const causes: StatusCause[] = [];
  const read = (mode: Mode): LevelVersion => {
    const level = readLevel(labels, mode, causes);
    return { level: level ?? openPolicy.level, minor: readMinor(labels, mode, causes) };
  };
  const enforce = read('enforce');
  const audit = read('audit');
  let warn = read('warn');
  const enforced = levels.includes(labels[`${prefix}enforce`] as Level);
  if (labels[`${prefix}warn`] === undefined && enforced && compareLevels(enforce.level, warn.level) > 0) {
    warn = { level: enforce.level, minor: labels[`${prefix}warn-version`] === undefined ? enforce.minor : warn.minor };
  }
  return { policy: { enforce, audit, warn }, causes };
}

/** Below, equal or above 0, as a is laxer than, as strict as or stricter than b. */
export function compareLevels(a: Level, b: Level): number {
  return levels.indexOf(a) - levels.indexOf(b);
}

/** `baseline:latest`, `restricted:v1.25`. */
export function formatLevelVersion({ level, minor }: LevelVersion): string {
  return `${level}:${Number.isFinite(minor) ? `v1.${minor}` : 'latest'}`;
}

function hasPolicy(labels: Readonly<Record<string, string>>): boolean {
  for (const name in labels) if (name.startsWith(prefix)) return true;
  return false;
}

function readLevel(labels: Readonly<Record<string, string>>, mode: Mode, causes: StatusCause[]): Level | undefined {
  const text = labels[prefix + mode];
  if (text === undefined || levels.includes(text as Level)) return text as Level | undefined;
  causes.push(invalid(pathOf(prefix + mode), text, `must be one of ${levels.join(', ')}`));
  return mode === 'enforce' ? 'restricted' : 'privileged';
}

function readMinor(labels: Readonly<Record<string, string>>, mode: Mode, causes: StatusCause[]): number {
  const label = `${prefix}${mode}-version`;
  const text = labels[label];
  if (text === undefined || text === 'latest') return Number.POSITIVE_INFINITY;
  const match = /^v1\.(0|[1-9]\d{0,4})$/.exec(text);
  if (match) return Number(match[1]);
  causes.push(invalid(pathOf(label), text, 'must be "latest" or "v1.x"'));
  return Number.POSITIVE_INFINITY;
}

function pathOf(label: string): string {
  return `metadata.labels[${label}]`;
}
