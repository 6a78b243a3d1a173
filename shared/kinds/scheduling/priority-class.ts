import type { PriorityClass, StatusCause } from '../../generated/types.ts';
import { forbidden } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { ageColumn, count, flag, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

/** The classes of system pods, in every cluster. */
export const systemPriorityClasses: readonly PriorityClass[] = [
  systemClass(
    'system-node-critical',
    2_000_001_000,
    'Used for system critical pods that must not be moved from their current node.',
  ),
  systemClass(
    'system-cluster-critical',
    2_000_000_000,
    'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  ),
];

/** The priority of a pod without a class when there is no default class. */
export const defaultPriority = 0;

/** The highest priority of a class that users define. */
const highestUserPriority = 1_000_000_000;
const systemPrefix = 'system-';

/** What a pod gets from its class. */
export interface PodPriority {
  /** The name of the class; absent without one. */
  readonly className?: string;
  readonly priority: number;
  readonly preemptionPolicy: NonNullable<PriorityClass['preemptionPolicy']>;
}

/**
 * What a pod's priority is (Kubernetes, "Pod Priority and Preemption"): that of the class it names, or of the default class, the
 * lowest if there are several. Undefined when there is no class of the name.
 *
 * `named`: the class of that name. `all`: gives every class; asked only when the pod names none.
 */
export function podPriority(
  className: string | undefined,
  named: (name: string) => PriorityClass | undefined,
  all: () => readonly PriorityClass[],
): PodPriority | undefined {
  if (className) {
    const found = named(className) ?? systemPriorityClasses.find(({ metadata }) => metadata.name === className);
    return found && priorityOf(found);
  }
  let lowest: PriorityClass | undefined;
  for (const one of all()) if (one.globalDefault && (!lowest || one.value < lowest.value)) lowest = one;
  return lowest ? priorityOf(lowest) : { priority: defaultPriority, preemptionPolicy: 'PreemptLowerPriority' };
}

export const priorityClass: Behaviour<PriorityClass> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    count('Value', 'The priority of pods of this class.', ({ value }) => value),
    flag('Global-Default', 'Whether this is the class of pods that name none.', ({ globalDefault }) => !!globalDefault),
    ageColumn as Column<PriorityClass>,
    text(
      'PreemptionPolicy',
      'Whether pods of this class may preempt pods of lower priority.',
      ({ preemptionPolicy }) => {
        return preemptionPolicy ?? '';
      },
    ),
  ],
  strategy: {
    generation: 'spec',
    validate({ metadata: { name }, value, globalDefault }, causes) {
      if (name?.startsWith(systemPrefix)) validateSystemClass(name, value, globalDefault === true, causes);
      else if (value > highestUserPriority) {
        const fault = `maximum allowed value of a user defined priority is ${highestUserPriority}`;
        causes.push(forbidden('value', fault));
      }
    },
    validateUpdate({ value }, old, causes) {
      if (value !== old.value) causes.push(forbidden('value', 'may not be changed in an update.'));
    },
  },
};

function validateSystemClass(name: string, value: number, globalDefault: boolean, causes: StatusCause[]): void {
  const known = systemPriorityClasses.find(({ metadata }) => metadata.name === name);
  const fault = !known
    ? `${name} is not a known system priority class`
    : value !== known.value
      ? `value of ${name} PriorityClass must be ${known.value}`
      : globalDefault
        ? `globalDefault of ${name} PriorityClass must be false`
        : undefined;
  if (!fault) return;
  const head = `priority class names with '${systemPrefix}' prefix are reserved for system use only. error: `;
  causes.push(forbidden('metadata.name', head + fault));
}

function priorityOf({ metadata, value, preemptionPolicy }: PriorityClass): PodPriority {
  return {
    className: metadata.name,
    priority: value,
    preemptionPolicy: preemptionPolicy ?? 'PreemptLowerPriority',
  };
}

function systemClass(name: string, value: number, description: string): PriorityClass {
  return {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name } as PriorityClass['metadata'],
    value,
    description,
    preemptionPolicy: 'PreemptLowerPriority',
  };
}
