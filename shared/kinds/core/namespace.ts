import type { Namespace } from '../../generated/types.ts';
import { isDnsLabel } from '../../schema/formats.ts';
import { ageColumn, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

export const namespace: Behaviour<Namespace> = {
  nameFormat: isDnsLabel,
  columns: [
    nameColumn,
    text('Status', 'Active, or Terminating while what is in it is being deleted.', ({ status }) => status?.phase ?? ''),
    ageColumn as Column<Namespace>,
  ],
  strategy: {
    default({ metadata }) {
      // So that namespaces can be told by their names where only labels are looked at.
      if (metadata.name) metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name };
    },
    prepareCreate(object) {
      object.status = { phase: 'Active' };
    },
  },
};
