import type { Binding } from '../../generated/types.ts';
import { invalid, notSupported, required } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import type { Behaviour } from '../kind.ts';

/** Binds a pod to a node. Not stored. */
export const binding: Behaviour<Binding> = {
  nameFormat: isDnsSubdomain,
  columns: [],
  strategy: {
    validate({ target }, causes) {
      const { kind, name } = target ?? {};
      if (kind !== undefined && kind !== '' && kind !== 'Node') {
        causes.push(notSupported('target.kind', kind, ['<empty>', 'Node']));
      }
      if (!name) causes.push(required('target.name'));
      const fault = name && isDnsSubdomain(name);
      if (fault) causes.push(invalid('target.name', name, fault));
    },
  },
};
