import type { NodeEnrollment } from '../../generated/types.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { ageColumn, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

export const nodeEnrollment: Behaviour<NodeEnrollment> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Status', 'Whether certificates of the node are accepted.', ({ spec }) =>
      spec.removed ? 'Removed' : 'Enrolled',
    ),
    ageColumn as Column<NodeEnrollment>,
  ],
  strategy: { tracksAfterApply: true },
};
