import { parseTime } from '../../../shared/clock.ts';
import type { CronJob, Job, ObjectReference } from '../../../shared/generated/types.ts';
import type { Draft } from '../../../shared/object.ts';
import { controllerReference } from '../owned-pods/owner-references.ts';
import { formatIn } from './time-zone.ts';

export const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp';

/** The name of a tick's Job: since it follows from the tick, the API refuses a second one. */
export function jobName(cronJob: CronJob, tick: number): string {
  return `${cronJob.metadata.name}-${Math.floor(tick / 60_000)}`;
}

/** The Job of a tick (Kubernetes' getJobFromTemplate2). */
export function jobOf(cronJob: CronJob, tick: number): Draft<Job> {
  const { metadata, spec } = cronJob;
  const { labels, annotations, finalizers } = spec.jobTemplate.metadata ?? {};
  return {
    metadata: {
      name: jobName(cronJob, tick),
      namespace: metadata.namespace,
      ...(labels ? { labels } : {}),
      ...(finalizers ? { finalizers } : {}),
      annotations: { ...annotations, [scheduledAnnotation]: formatIn(spec.timeZone, tick) },
      ownerReferences: [controllerReference(cronJob)],
    },
    spec: spec.jobTemplate.spec,
  };
}

/** The tick that a Job was started for; undefined for one that a person created, such as `kubectl create job --from`. */
export function tickOf(cronJob: CronJob, job: Job): number | undefined {
  const tick = parseTime(job.metadata.annotations?.[scheduledAnnotation]);
  return tick !== undefined && job.metadata.name === jobName(cronJob, tick) ? tick : undefined;
}

export function referenceTo({ metadata }: Job): ObjectReference {
  const { name, namespace, uid, resourceVersion } = metadata;
  return { kind: 'Job', namespace, name, uid, apiVersion: 'batch/v1', resourceVersion };
}

/** The condition that ended a Job; undefined while it runs. */
export function endOf({ status }: Job): 'Complete' | 'Failed' | undefined {
  for (const { type, status: is } of status?.conditions ?? []) {
    if (is === 'True' && (type === 'Complete' || type === 'Failed')) return type;
  }
  return undefined;
}
