import type { Pod, PriorityClass } from '../../../../shared/generated/types.ts';
import { podPriority } from '../../../../shared/kinds/scheduling/priority-class.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { forbidden } from '../../requests/refusals.ts';
import type { AdmissionPlugin, AdmissionRequest, Reader } from '../plugin.ts';

/** Sets a pod's priority by its priority class, and allows one default class (Kubernetes' Priority). */
export const priority: AdmissionPlugin = {
  name: 'Priority',
  rules: [
    { verbs: ['create'], kinds: ['Pod'] },
    { verbs: ['create', 'update'], kinds: ['PriorityClass'] },
  ],
  mutate(request, object, _old, reader) {
    if (request.entry.kind === 'Pod') setPriority(request, object as Pod, reader);
  },
  validate(request, object, _old, reader) {
    if (request.entry.kind === 'PriorityClass' && object) checkDefault(request, object, reader);
  },
};

function setPriority({ entry, name }: AdmissionRequest, { spec }: Pod, reader: Reader): void {
  if (!spec || typeof spec !== 'object') return;
  const found = podPriority(
    spec.priorityClassName,
    (className) => reader.get('PriorityClass', className),
    () => reader.list('PriorityClass'),
  );
  if (!found) throw forbidden(entry, name, `no PriorityClass with name ${spec.priorityClassName} was found`);
  if (spec.priority !== undefined && spec.priority !== found.priority) {
    throw forbidden(
      entry,
      name,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${found.priority} from the given PriorityClass name`,
    );
  }
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== found.preemptionPolicy) {
    throw forbidden(
      entry,
      name,
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${found.preemptionPolicy} from the given PriorityClass name`,
    );
  }
  if (found.className) spec.priorityClassName = found.className;
  spec.priority = found.priority;
  spec.preemptionPolicy = found.preemptionPolicy;
}

function checkDefault({ entry, name }: AdmissionRequest, object: KubeObject, reader: Reader): void {
  if (!(object as PriorityClass).globalDefault) return;
  const other = reader.list('PriorityClass').find((one) => one.globalDefault && one.metadata.name !== name);
  if (!other) return;
  const why = `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`;
  throw forbidden(entry, name, why);
}
