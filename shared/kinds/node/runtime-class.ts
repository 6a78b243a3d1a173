import type { RuntimeClass } from '../../generated/types.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { ageColumn, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { validateLabels } from '../rules/metadata.ts';
import { validateAmounts } from '../rules/resource-validation.ts';
import { validateTolerations } from '../rules/scheduling-validation.ts';
import { labelAdvice } from '../warnings/node-labels.ts';

export const runtimeClass: Behaviour<RuntimeClass> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Handler', 'The name of the runtime handler on the nodes.', ({ handler }) => handler),
    ageColumn as Column<RuntimeClass>,
  ],
  strategy: {
    validate({ overhead, scheduling }, causes) {
      if (overhead?.podFixed) validateAmounts(overhead.podFixed, 'overhead.limits', causes);
      if (scheduling?.nodeSelector) validateLabels(scheduling.nodeSelector, 'scheduling.nodeSelector', causes);
      if (scheduling?.tolerations) validateTolerations(scheduling.tolerations, 'scheduling.tolerations', causes);
    },
    warnings: ({ scheduling }) =>
      Object.keys(scheduling?.nodeSelector ?? {}).flatMap((key) => {
        const advice = labelAdvice(key);
        return advice ? [`scheduling.nodeSelector: ${advice}`] : [];
      }),
  },
};
