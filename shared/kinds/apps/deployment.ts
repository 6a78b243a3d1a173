import type { Deployment, DeploymentStrategy, StatusCause } from '../../generated/types.ts';
import { forbidden, invalid } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { formatSelector, selectorOf } from '../../selector.ts';
import { ageColumn, count, nameColumn, templateColumns, text, wide } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { isZero, validateAtMost100Percent, validateIntOrPercent } from '../rules/int-or-percent.ts';
import { defaultPodSpec } from '../rules/pod-defaults.ts';
import { validateWorkload } from '../rules/workload.ts';
import { nameWarnings, templateWarnings } from '../warnings/workloads.ts';

export const deployment: Behaviour<Deployment> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text(
      'Ready',
      'Number of ready pods, and of desired pods.',
      ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 1}`,
    ),
    count('Up-to-date', 'Number of pods with the newest template.', ({ status }) => status?.updatedReplicas ?? 0),
    count('Available', 'Number of available pods.', ({ status }) => status?.availableReplicas ?? 0),
    ageColumn as Column<Deployment>,
    ...templateColumns<Deployment>(({ spec }) => spec.template),
    wide('Selector', 'The selector of the pods.', ({ spec }) => formatSelector(selectorOf(spec.selector))),
  ],
  strategy: {
    default({ spec }) {
      if (!spec) return;
      if (spec.template?.spec) defaultPodSpec(spec.template.spec);
      if (spec.strategy?.type === 'RollingUpdate') {
        spec.strategy.rollingUpdate = { maxUnavailable: '25%', maxSurge: '25%', ...spec.strategy.rollingUpdate };
      }
    },
    prepareCreate(object) {
      object.status = {};
    },
    validate({ spec }, causes) {
      if (!spec) return;
      validateWorkload(spec, 'Deployment', causes);
      if (spec.strategy) validateStrategy(spec.strategy, causes);
      const { progressDeadlineSeconds: deadline, minReadySeconds = 0 } = spec;
      if (deadline !== undefined && deadline <= minReadySeconds) {
        causes.push(invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'));
      }
    },
    warnings: ({ metadata, spec }, old) => [
      ...nameWarnings(metadata.name, old),
      ...templateWarnings(metadata, old, spec.template, 'spec.template'),
    ],
  },
};

function validateStrategy({ type, rollingUpdate }: DeploymentStrategy, causes: StatusCause[]): void {
  const field = 'spec.strategy.rollingUpdate';
  if (!rollingUpdate) return;
  if (type === 'Recreate') {
    causes.push(forbidden(field, "may not be specified when strategy `type` is 'Recreate'"));
    return;
  }
  const { maxUnavailable, maxSurge } = rollingUpdate;
  validateIntOrPercent(maxUnavailable, `${field}.maxUnavailable`, causes);
  validateIntOrPercent(maxSurge, `${field}.maxSurge`, causes);
  if (isZero(maxUnavailable) && isZero(maxSurge)) {
    causes.push(invalid(`${field}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
  }
  validateAtMost100Percent(maxUnavailable, `${field}.maxUnavailable`, causes);
}
