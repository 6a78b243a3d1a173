import { isDeepStrictEqual } from 'node:util';
import type { Job, JobSpec, StatusCause } from '../../generated/types.ts';
import { invalid, required } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { formatSelector, selectorOf } from '../../selector.ts';
import { humanDuration } from '../columns/age.ts';
import { ageColumn, nameColumn, templateColumns, text, wide } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { validateJobSpec, validateJobWorkload } from '../rules/job-validation.ts';
import { defaultPodSpec } from '../rules/pod-defaults.ts';
import { jobWarnings, nameWarnings } from '../warnings/workloads.ts';
import { validateJobStatus } from './job-status.ts';

/** The labels by which a job and older clients select its pods. */
const uidLabels = ['batch.kubernetes.io/controller-uid', 'controller-uid'] as const;
const nameLabels = ['batch.kubernetes.io/job-name', 'job-name'] as const;

/** The default backoff limit; unlimited when each index has its own. */
const failures = 6;
const anyFailures = 2 ** 31 - 1;

export const job: Behaviour<Job> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Status', 'Whether the job is running, suspended, complete or failed.', stateOf),
    text('Completions', 'Number of succeeded pods, and of pods that must succeed.', completionsOf),
    text('Duration', 'How long the job took, or has run so far.', ({ status }, now) => {
      if (!status?.startTime) return '';
      const end = status.completionTime ? Date.parse(status.completionTime) : now;
      return humanDuration(end - Date.parse(status.startTime));
    }),
    ageColumn as Column<Job>,
    ...templateColumns<Job>(({ spec }) => spec.template),
    wide('Selector', 'The selector of the pods.', ({ spec }) => formatSelector(selectorOf(spec.selector))),
  ],
  strategy: {
    deletion: {
      orphans: true,
      warning:
        'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning',
    },
    default(object) {
      if (object.spec) defaultSpec(object.spec);
      defaultLabels(object);
    },
    nameGenerated({ metadata, spec }, previous) {
      if (previous === undefined) return;
      for (const labels of [metadata.labels, spec?.template?.metadata?.labels]) {
        for (const label of nameLabels) if (labels && labels[label] === previous) labels[label] = metadata.name;
      }
    },
    prepareCreate(object) {
      object.status = {};
      if (object.spec?.manualSelector !== true) generateSelector(object);
      defaultLabels(object);
    },
    validate(object, causes) {
      const { spec, metadata } = object;
      if (!spec) return;
      if (spec.manualSelector !== true && metadata.uid) validateGenerated(object, causes);
      validateJobSpec(spec, 'spec', causes);
      validateJobWorkload(spec, causes);
    },
    validateUpdate: validateUpdate,
    parts: { status: { validate: validateJobStatus } },
    warnings: ({ metadata, spec }, old) => [
      ...nameWarnings(metadata.name, old),
      ...jobWarnings(metadata, old, spec, 'spec'),
    ],
  },
};

/** A job without labels gets those of its template, generated ones included. */
function defaultLabels({ metadata, spec }: Job): void {
  const labels = spec?.template?.metadata?.labels;
  if (labels && Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels };
}

function defaultSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? failures : anyFailures;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  if (spec.template?.spec) defaultPodSpec(spec.template.spec);
}

/** Generates the selector by uid, unless the client sets one. */
function generateSelector({ metadata, spec }: Job): void {
  const { template } = spec;
  if (!template) return;
  const labels = { ...template.metadata?.labels };
  for (const label of nameLabels) labels[label] ??= metadata.name;
  for (const label of uidLabels) labels[label] ??= metadata.uid;
  template.metadata = { ...template.metadata, labels };
  const [label] = uidLabels;
  spec.selector = { ...spec.selector, matchLabels: { [label]: metadata.uid, ...spec.selector?.matchLabels } };
}

function validateGenerated({ metadata, spec }: Job, causes: StatusCause[]): void {
  if (!spec.selector) return;
  const field = 'spec.template.metadata.labels';
  const labels = spec.template?.metadata?.labels ?? {};
  const wanted = [
    ...uidLabels.map((label) => [label, metadata.uid]),
    ...nameLabels.map((label) => [label, metadata.name]),
  ];
  for (const [label = '', value] of wanted) {
    if (labels[label] === undefined) causes.push(required(field, `must be '${value}'`));
    else if (labels[label] !== value) causes.push(invalid(field, labels, `must be '${value}'`));
  }
}

function validateUpdate({ spec, status }: Job, { spec: old }: Job, causes: StatusCause[]): void {
  const fixed = 'field is immutable';
  if (spec.completions !== old.completions) {
    // The completions of an indexed job may change along with its parallelism.
    const elastic =
      spec.completionMode === 'Indexed' &&
      spec.completions === spec.parallelism &&
      old.completions === old.parallelism &&
      spec.completions !== undefined;
    if (!elastic) causes.push(invalid('spec.completions', spec.completions ?? null, fixed));
  }
  // Before its first pod, a job's placement may still change.
  const unstarted = old.suspend === true && status?.startTime === undefined;
  const before = unstarted && spec.template && old.template ? placed(old, spec) : old.template;
  if (!isDeepStrictEqual(spec.template, before)) causes.push(invalid('spec.template', spec.template, fixed));
}

/** The old template with the placement of the new one. */
function placed(old: JobSpec, spec: JobSpec): JobSpec['template'] {
  const parts = ['nodeSelector', 'tolerations', 'affinity', 'schedulingGates'] as const;
  const pod = { ...old.template.spec } as Record<string, unknown>;
  for (const part of parts) {
    const value = spec.template.spec?.[part];
    if (value === undefined) delete pod[part];
    else pod[part] = value;
  }
  const { labels, annotations } = spec.template.metadata ?? {};
  const metadata = { ...old.template.metadata, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) };
  if (!labels) delete metadata.labels;
  if (!annotations) delete metadata.annotations;
  return { ...old.template, metadata, spec: pod as never };
}

function stateOf({ metadata, status }: Job): string {
  const is = (type: string): boolean => !!status?.conditions?.some((one) => one.type === type && one.status === 'True');
  if (is('Complete')) return 'Complete';
  if (is('Failed')) return 'Failed';
  if (metadata.deletionTimestamp) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(is) ?? 'Running';
}

function completionsOf({ spec, status }: Job): string {
  const done = status?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${done}/${spec.completions}`;
  return (spec.parallelism ?? 0) > 1 ? `${done}/1 of ${spec.parallelism}` : `${done}/1`;
}
