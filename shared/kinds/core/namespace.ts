import type { Namespace } from '../../generated/types.ts';
import { isDnsLabel } from '../../schema/formats.ts';
import { ageColumn, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

/** Holds a namespace until its content has been deleted. */
const contentFinalizer = 'kubernetes';

export const namespace: Behaviour<Namespace> = {
  nameFormat: isDnsLabel,
  columns: [
    nameColumn,
    text(
      'Status',
      'Active, or Terminating while the objects in the namespace are deleted.',
      ({ status }) => status?.phase ?? '',
    ),
    ageColumn as Column<Namespace>,
  ],
  strategy: {
    generation: 'none',
    default: labelByName,
    nameGenerated: labelByName,
    prepareCreate(object) {
      object.status = { phase: 'Active' };
      const finalizers = object.spec?.finalizers ?? [];
      if (!finalizers.includes(contentFinalizer)) finalizers.push(contentFinalizer);
      object.spec = { ...object.spec, finalizers };
    },
    /** Finalizers are removed by the `finalize` subresource only. */
    prepareUpdate(object, old) {
      if (old.spec === undefined) delete object.spec;
      else object.spec = { ...object.spec, finalizers: old.spec.finalizers };
    },
    parts: {
      finalize: {
        prepare(object, old) {
          const finalizers = object.spec?.finalizers ?? [];
          delete object.status;
          Object.assign(object, old, { metadata: { ...old.metadata }, spec: { ...old.spec, finalizers } });
        },
      },
    },
    deletion: {
      finalizers: ({ spec }) => spec?.finalizers ?? [],
      mark(object) {
        object.status = { ...object.status, phase: 'Terminating' };
        delete object.metadata.deletionGracePeriodSeconds;
      },
    },
  },
};

/** Selectors of namespaces match labels only: this label lets them select one by its name. */
function labelByName({ metadata }: Namespace): void {
  if (metadata.name) metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name };
}
