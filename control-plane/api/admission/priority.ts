import type { Pod } from '../../../shared/generated/types.ts';
import { forbidden } from '../refusals.ts';
import type { AdmissionPlugin } from './plugin.ts';

/** The priorities that exist without a PriorityClass object (Kubernetes' `scheduling` API, system classes). */
const systemPriorities: Readonly<Record<string, number>> = {
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000,
};

/** From the name of a priority class to the number that the scheduler goes by (Kubernetes' Priority). */
export const priority: AdmissionPlugin = {
  name: 'Priority',
  rules: [{ verbs: ['create'], kinds: ['Pod'] }],
  mutate({ entry, name }, object) {
    const { spec } = object as Pod;
    if (!spec || typeof spec !== 'object') return;
    const className = spec.priorityClassName;
    const value = className ? systemPriorities[className] : 0;
    if (value === undefined) throw forbidden(entry, name, `no PriorityClass with name ${className} was found`);
    if (spec.priority !== undefined && spec.priority !== value) {
      throw forbidden(
        entry,
        name,
        `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
      );
    }
    spec.priority = value;
    spec.preemptionPolicy ??= 'PreemptLowerPriority';
  },
};
