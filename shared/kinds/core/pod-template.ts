import type { PodTemplate } from '../../generated/types.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { formatLabels, nameColumn, templateColumns, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { defaultPodSpec } from '../rules/pod-defaults.ts';
import { validatePodTemplate } from '../rules/pod-validation.ts';
import { templateWarnings } from '../warnings/workloads.ts';

export const podTemplate: Behaviour<PodTemplate> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    ...templateColumns<PodTemplate>(({ template }) => template).map(
      (column): Column<PodTemplate> => ({ ...column, priority: 0 }),
    ),
    text('Pod Labels', 'The labels of the pods.', ({ template }) => formatLabels(template?.metadata?.labels)),
  ],
  strategy: {
    generation: 'template',
    deletion: { answer: 'object' },
    default({ template }) {
      if (template?.spec) defaultPodSpec(template.spec);
    },
    validate({ template }, causes) {
      if (template) validatePodTemplate(template, 'template', '', causes);
    },
    warnings: ({ metadata, template }, old) => templateWarnings(metadata, old, template, 'template'),
  },
};
