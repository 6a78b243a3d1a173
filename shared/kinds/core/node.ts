import { isDeepStrictEqual } from 'node:util';
import type { Node, NodeStatus, StatusCause } from '../../generated/types.ts';
import { readyCondition } from '../../node.ts';
import { forbidden } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { ageColumn, nameColumn, text, wide } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { validateNodeAddresses, validatePodCIDRs } from '../rules/addresses.ts';
import { validateAmounts } from '../rules/resource-validation.ts';
import { validateTaints } from '../rules/scheduling-validation.ts';

const roleLabel = 'node-role.kubernetes.io/';
const oldRoleLabel = 'kubernetes.io/role';

export const node: Behaviour<Node> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Status', 'Whether the node is ready, and whether pods can be scheduled to it.', nodeStatus),
    text('Roles', 'The roles of the node, from its labels.', nodeRoles),
    ageColumn as Column<Node>,
    text('Version', 'The version of the agent.', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
    wide('Internal-IP', 'The internal address.', (object) => addressOf(object, 'InternalIP')),
    wide('External-IP', 'The external address.', (object) => addressOf(object, 'ExternalIP')),
    wide('OS-Image', 'The operating system.', ({ status }) => status?.nodeInfo?.osImage || '<unknown>'),
    wide(
      'Kernel-Version',
      'The version of the kernel.',
      ({ status }) => status?.nodeInfo?.kernelVersion || '<unknown>',
    ),
    wide(
      'Container-Runtime',
      'What runs its containers.',
      ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>',
    ),
  ],
  strategy: {
    generation: 'none',
    default({ spec }) {
      if (spec?.podCIDR && !spec.podCIDRs?.length) spec.podCIDRs = [spec.podCIDR];
      if (spec?.podCIDRs?.[0] && !spec.podCIDR) spec.podCIDR = spec.podCIDRs[0];
    },
    validate(object, causes) {
      const { spec, status } = object;
      if (spec?.taints) validateTaints(spec.taints, 'spec.taints', causes);
      validatePodCIDRs(object, causes);
      if (status) validateStatus(status, causes);
    },
    validateUpdate({ spec }, old, causes) {
      for (const field of ['podCIDR', 'providerID'] as const) {
        const before = old.spec?.[field];
        if (before && spec?.[field] !== before) {
          causes.push(forbidden(`spec.${field}`, `node updates may not change ${field} except from "" to valid`));
        }
      }
      const [ranges = [], before = []] = [spec?.podCIDRs, old.spec?.podCIDRs];
      if (spec?.podCIDR === old.spec?.podCIDR && before.length > 0 && !isDeepStrictEqual(ranges, before)) {
        causes.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'));
      }
    },
    parts: {
      status: {
        labels: true,
        validate({ status }, _old, causes) {
          if (status) validateStatus(status, causes);
        },
      },
    },
    warnings: nodeWarnings,
  },
};

function validateStatus({ capacity, allocatable, addresses }: NodeStatus, causes: StatusCause[]): void {
  if (capacity) validateAmounts(capacity, 'status.capacity', causes);
  if (allocatable) validateAmounts(allocatable, 'status.allocatable', causes);
  if (addresses) validateNodeAddresses(addresses, 'status.addresses', causes);
}

function nodeStatus(node: Node): string {
  const ready = readyCondition(node);
  const word = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown';
  return node.spec?.unschedulable ? `${word},SchedulingDisabled` : word;
}

function nodeRoles({ metadata }: Node): string {
  const roles = Object.entries(metadata.labels ?? {}).flatMap(([key, value]) => {
    if (key.startsWith(roleLabel)) return key.slice(roleLabel.length) || [];
    return key === oldRoleLabel && value ? [value] : [];
  });
  return roles.length > 0 ? [...new Set(roles)].sort().join(',') : '<none>';
}

function addressOf({ status }: Node, type: string): string {
  return status?.addresses?.find((address) => address.type === type)?.address ?? '<none>';
}

function nodeWarnings({ spec }: Node): string[] {
  return [
    ...(spec?.configSource ? ['spec.configSource: the feature is removed'] : []),
    ...(spec?.externalID ? ['spec.externalID: this field is deprecated, and is unused by Kubernetes'] : []),
  ];
}
