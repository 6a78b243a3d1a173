import type { ServiceAccount } from '../../generated/types.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { ageColumn, count, nameColumn } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

export const serviceAccount: Behaviour<ServiceAccount> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    count('Secrets', 'How many secrets its pods may use.', ({ secrets }) => secrets?.length ?? 0),
    ageColumn as Column<ServiceAccount>,
  ],
  strategy: { deletion: { answer: 'object' } },
};
