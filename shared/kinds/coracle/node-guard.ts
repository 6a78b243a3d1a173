import type { NodeGuard } from '../../generated/types.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { ageColumn, nameColumn } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

export const nodeGuard: Behaviour<NodeGuard> = {
  nameFormat: isDnsSubdomain,
  columns: [nameColumn, ageColumn as Column<NodeGuard>],
  strategy: { tracksAfterApply: true },
};
