import type { ControllerRevision } from '../../generated/types.ts';
import { controllerOf } from '../../object.ts';
import { invalid, required } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { ageColumn, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

export const controllerRevision: Behaviour<ControllerRevision> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Controller', 'The controller that owns the revision.', (object) => {
      const owner = controllerOf(object);
      if (!owner) return '<none>';
      const group = owner.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0]}` : '';
      return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
    }),
    text('Revision', 'The revision number.', ({ revision }) => String(revision ?? 0)),
    ageColumn as Column<ControllerRevision>,
  ],
  strategy: {
    validate({ data, revision = 0 }, causes) {
      if (!data) causes.push(required('data', 'data is mandatory'));
      if (revision < 0) causes.push(invalid('revision', revision, 'must be greater than or equal to 0'));
    },
  },
};
