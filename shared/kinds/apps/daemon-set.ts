import type { DaemonSet, DaemonSetUpdateStrategy, StatusCause } from '../../generated/types.ts';
import { invalid } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { formatSelector, selectorOf } from '../../selector.ts';
import { ageColumn, count, formatLabels, nameColumn, templateColumns, text, wide } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { isZero, validateAtMost100Percent, validateIntOrPercent } from '../rules/int-or-percent.ts';
import { defaultPodSpec } from '../rules/pod-defaults.ts';
import { validateWorkload } from '../rules/workload.ts';
import { templateWarnings } from '../warnings/workloads.ts';

export const daemonSet: Behaviour<DaemonSet> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    count('Desired', 'Number of nodes that should run the pod.', ({ status }) => status?.desiredNumberScheduled ?? 0),
    count('Current', 'Number of those nodes that run the pod.', ({ status }) => status?.currentNumberScheduled ?? 0),
    count('Ready', 'Number of nodes on which the pod is ready.', ({ status }) => status?.numberReady ?? 0),
    count('Up-to-date', 'Number of nodes on which the pod has the newest template.', ({ status }) => {
      return status?.updatedNumberScheduled ?? 0;
    }),
    count('Available', 'Number of nodes on which the pod is available.', ({ status }) => status?.numberAvailable ?? 0),
    text('Node Selector', 'The node selector of the pods.', ({ spec }) =>
      formatLabels(spec.template?.spec?.nodeSelector),
    ),
    ageColumn as Column<DaemonSet>,
    ...templateColumns<DaemonSet>(({ spec }) => spec.template),
    wide('Selector', 'The selector of the pods.', ({ spec }) => formatSelector(selectorOf(spec.selector))),
  ],
  strategy: {
    default({ spec }) {
      if (!spec) return;
      if (spec.template?.spec) defaultPodSpec(spec.template.spec);
      if (spec.updateStrategy?.type === 'RollingUpdate') {
        const { rollingUpdate } = spec.updateStrategy;
        spec.updateStrategy.rollingUpdate = { maxUnavailable: 1, maxSurge: 0, ...rollingUpdate };
      }
    },
    prepareCreate(object) {
      object.status = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 };
    },
    validate({ spec }, causes) {
      if (!spec) return;
      if (spec.updateStrategy) validateStrategy(spec.updateStrategy, causes);
      validateWorkload(spec, 'DaemonSet', causes);
    },
    warnings: ({ metadata, spec }, old) => templateWarnings(metadata, old, spec.template, 'spec.template'),
  },
};

function validateStrategy({ type, rollingUpdate }: DaemonSetUpdateStrategy, causes: StatusCause[]): void {
  if (type !== 'RollingUpdate' || !rollingUpdate) return;
  const field = 'spec.updateStrategy.rollingUpdate';
  const { maxUnavailable, maxSurge } = rollingUpdate;
  validateIntOrPercent(maxUnavailable, `${field}.maxUnavailable`, causes);
  validateIntOrPercent(maxSurge, `${field}.maxSurge`, causes);
  validateAtMost100Percent(maxUnavailable, `${field}.maxUnavailable`, causes);
  validateAtMost100Percent(maxSurge, `${field}.maxSurge`, causes);
  const [unavailable, surge] = [!isZero(maxUnavailable), !isZero(maxSurge)];
  if (unavailable && surge) {
    causes.push(invalid(`${field}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'));
  } else if (!unavailable && !surge) {
    causes.push(invalid(`${field}.maxUnavailable`, maxUnavailable, 'cannot be 0 when maxSurge is 0'));
  }
}
