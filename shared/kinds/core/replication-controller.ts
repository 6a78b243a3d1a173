import type { ReplicationController } from '../../generated/types.ts';
import { invalid } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { selectorOfMap } from '../../selector.ts';
import { ageColumn, count, formatLabels, nameColumn, templateColumns, wide } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { validateLabels } from '../rules/metadata.ts';
import { defaultPodSpec } from '../rules/pod-defaults.ts';
import { validatePodTemplate } from '../rules/pod-validation.ts';
import { validateMatch } from '../rules/workload.ts';
import { nameWarnings, templateWarnings } from '../warnings/workloads.ts';

export const replicationController: Behaviour<ReplicationController> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    count('Desired', 'Desired number of pods.', ({ spec }) => spec.replicas ?? 1),
    count('Current', 'Current number of pods.', ({ status }) => status?.replicas ?? 0),
    count('Ready', 'Number of ready pods.', ({ status }) => status?.readyReplicas ?? 0),
    ageColumn as Column<ReplicationController>,
    ...templateColumns<ReplicationController>(({ spec }) => spec.template),
    wide('Selector', 'The selector of the pods.', ({ spec }) => formatLabels(spec.selector)),
  ],
  strategy: {
    deletion: { orphans: true },
    default({ metadata, spec }) {
      if (spec?.template?.spec) defaultPodSpec(spec.template.spec);
      const labels = spec?.template?.metadata?.labels;
      if (!labels || Object.keys(labels).length === 0) return;
      if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
      if (Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels };
    },
    prepareCreate(object) {
      object.status = { replicas: 0 };
    },
    validate({ spec }, causes) {
      if (!spec) return;
      const { selector, template } = spec;
      if (selector) validateLabels(selector, 'spec.selector', causes);
      if (Object.keys(selector ?? {}).length === 0) {
        causes.push(invalid('spec.selector', selector ?? null, 'empty selector is invalid for ReplicationController'));
      } else {
        validateMatch(selectorOfMap(selector), selector, template, 'ReplicationController', causes);
      }
      if (template) validatePodTemplate(template, 'spec.template', 'ReplicationController', causes);
    },
    warnings: ({ metadata, spec }, old) => [
      ...nameWarnings(metadata.name, old),
      ...templateWarnings(metadata, old, spec.template, 'spec.template'),
    ],
  },
};
