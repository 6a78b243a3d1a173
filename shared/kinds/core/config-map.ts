import type { ConfigMap } from '../../generated/types.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { ageColumn, count, nameColumn } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { validateData, validateFrozen } from '../rules/data-validation.ts';

export const configMap: Behaviour<ConfigMap> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    count('Data', 'Number of entries.', ({ data = {}, binaryData = {} }) => {
      return Object.keys(data).length + Object.keys(binaryData).length;
    }),
    ageColumn as Column<ConfigMap>,
  ],
  strategy: {
    validate({ data, binaryData }, causes) {
      validateData(
        [
          { name: 'data', data, base64: false },
          { name: 'binaryData', data: binaryData, base64: true },
        ],
        causes,
      );
    },
    validateUpdate: validateFrozen,
  },
};
