import type { JobSpec, PodTemplateSpec } from '../../generated/types.ts';
import type { KubeObject } from '../../object.ts';
import { isDnsLabel } from '../../schema/formats.ts';
import { podWarnings } from './pod-warnings.ts';

/** The warning for a name with dots, where pods and hosts are named after it. */
export function nameWarnings(name: string, old: unknown, use = 'this is used in Pod names and hostnames'): string[] {
  const fault = old ? undefined : isDnsLabel(name);
  const advice = 'which can result in surprising behavior; a DNS label is recommended';
  return fault ? [`metadata.name: ${use}, ${advice}: [${fault}]`] : [];
}

/** The warnings for a template that may have changed. */
export function templateWarnings(
  { generation }: KubeObject['metadata'],
  old: KubeObject | undefined,
  template: PodTemplateSpec | undefined,
  field: string,
): string[] {
  if (!template?.spec || (old && old.metadata.generation === generation)) return [];
  return podWarnings(template.metadata, template.spec, field);
}

export function jobWarnings(
  metadata: KubeObject['metadata'],
  old: KubeObject | undefined,
  spec: JobSpec | undefined,
  field: string,
): string[] {
  if (!spec || (old && old.metadata.generation === metadata.generation)) return [];
  const { completionMode, completions = 0, parallelism = 0, template } = spec;
  const many = completionMode === 'Indexed' && completions > 100_000 && parallelism > 10_000;
  const advice =
    'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completionIndexes when a big number of indexes fail';
  return [...(many ? [`${field}: ${advice}`] : []), ...templateWarnings(metadata, old, template, `${field}.template`)];
}
