import type { Container, EnvVar, Job } from '../../../shared/generated/types.ts';
import { type PodDraft, podFromTemplate } from '../owned-pods/owned-pods.ts';
import { judgeFailure } from './failure-policy.ts';
import type { NewPod } from './plan.ts';
import { failureCountKey, ignoredFailureCountKey, indexFailures, indexKey, trackingFinalizer } from './pods.ts';

/** A generated name has 5 random characters after at most this many. */
const maxGenerateName = 58;

/** A pod of a Job, with the tracking finalizer; one with an index knows it by annotation, label, host name and environment. */
export function podDraft(job: Job, wanted: NewPod): PodDraft {
  const draft = podFromTemplate(job, job.spec.template);
  const { metadata, spec } = draft;
  const finalizers = [...new Set([...(metadata.finalizers ?? []), trackingFinalizer])];
  const { index } = wanted;
  if (index === undefined) return { ...draft, metadata: { ...metadata, finalizers } };
  return {
    ...draft,
    metadata: {
      ...metadata,
      generateName: indexedPrefix(job.metadata.name, index),
      labels: { ...metadata.labels, [indexKey]: `${index}` },
      annotations: { ...metadata.annotations, [indexKey]: `${index}`, ...failureCounts(job, wanted) },
      finalizers,
    },
    spec: {
      ...spec,
      hostname: `${job.metadata.name}-${index}`,
      containers: spec.containers.map(withIndex),
      ...(spec.initContainers ? { initContainers: spec.initContainers.map(withIndex) } : {}),
    },
  };
}

/** `JOB-INDEX-`: the job's name is cut so that the index stays. */
function indexedPrefix(name: string, index: number): string {
  const end = `-${index}-`;
  return `${name.slice(0, maxGenerateName - end.length)}${end}`;
}

/** The failures that a pod inherits from the one that it replaces. */
function failureCounts({ spec }: Job, { replaces }: NewPod): Record<string, string> {
  if (spec.backoffLimitPerIndex === undefined) return {};
  if (!replaces) return { [failureCountKey]: '0' };
  const before = indexFailures(replaces.pod);
  const counts = judgeFailure(spec.podFailurePolicy, replaces.pod).counts;
  const ignored = before.ignored + (counts ? 0 : 1);
  return {
    [failureCountKey]: `${before.counted + (counts ? 1 : 0)}`,
    ...(ignored > 0 ? { [ignoredFailureCountKey]: `${ignored}` } : {}),
  };
}

function withIndex(container: Container): Container {
  const name = 'JOB_COMPLETION_INDEX';
  if (container.env?.some((one) => one.name === name)) return container;
  const fieldPath = `metadata.labels['${indexKey}']`;
  const index: EnvVar = { name, valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } };
  return { ...container, env: [...(container.env ?? []), index] };
}
