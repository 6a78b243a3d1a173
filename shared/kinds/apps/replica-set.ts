import type { ReplicaSet } from '../../generated/types.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { formatSelector, selectorOf } from '../../selector.ts';
import { ageColumn, count, nameColumn, templateColumns, wide } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { defaultPodSpec } from '../rules/pod-defaults.ts';
import { validateWorkload } from '../rules/workload.ts';
import { nameWarnings, templateWarnings } from '../warnings/workloads.ts';

export const replicaSet: Behaviour<ReplicaSet> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    count('Desired', 'Desired number of pods.', ({ spec }) => spec.replicas ?? 1),
    count('Current', 'Current number of pods.', ({ status }) => status?.replicas ?? 0),
    count('Ready', 'Number of ready pods.', ({ status }) => status?.readyReplicas ?? 0),
    ageColumn as Column<ReplicaSet>,
    ...templateColumns<ReplicaSet>(({ spec }) => spec.template),
    wide('Selector', 'The selector of the pods.', ({ spec }) => formatSelector(selectorOf(spec.selector))),
  ],
  strategy: {
    default({ spec }) {
      if (spec?.template?.spec) defaultPodSpec(spec.template.spec);
    },
    prepareCreate(object) {
      object.status = { replicas: 0 };
    },
    validate({ spec }, causes) {
      validateWorkload(spec, 'ReplicaSet', causes);
    },
    warnings: ({ metadata, spec }, old) => [
      ...nameWarnings(metadata.name, old),
      ...templateWarnings(metadata, old, spec.template, 'spec.template'),
    ],
  },
};
