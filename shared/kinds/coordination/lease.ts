import type { Lease } from '../../generated/types.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { ageColumn, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

export const lease: Behaviour<Lease> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Holder', 'The current holder.', ({ spec }) => spec?.holderIdentity ?? ''),
    ageColumn as Column<Lease>,
  ],
  strategy: { tracksAfterApply: true },
};
