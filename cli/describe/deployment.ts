import type { Deployment, ReplicaSet } from '../../shared/generated/types.ts';
import { pairs } from '../render/objects.ts';
import { type Line, line, map } from './section.ts';

export function deploymentLines(deployment: Deployment, sets: readonly ReplicaSet[]): Array<Line | undefined> {
  const { spec, status } = deployment;
  const { rollingUpdate } = spec.strategy ?? {};
  const counts = [
    `${spec.replicas ?? 1} desired`,
    `${status?.updatedReplicas ?? 0} updated`,
    `${status?.replicas ?? 0} total`,
    `${status?.availableReplicas ?? 0} available`,
    `${status?.unavailableReplicas ?? 0} unavailable`,
  ];
  const living = sets.filter((set) => (set.spec.replicas ?? 0) > 0 || (set.status?.replicas ?? 0) > 0);
  return [
    map('Selector', spec.selector?.matchLabels),
    line('Replicas', counts.join(' | ')),
    line('StrategyType', spec.strategy?.type),
    rollingUpdate
      ? line(
          'RollingUpdateStrategy',
          `${rollingUpdate.maxUnavailable} max unavailable, ${rollingUpdate.maxSurge} max surge`,
        )
      : undefined,
    line('MinReadySeconds', spec.minReadySeconds ?? 0),
    {
      label: 'Pod Template',
      under: [
        map('Labels', spec.template?.metadata?.labels),
        {
          label: 'Containers',
          under: (spec.template?.spec?.containers ?? []).map(({ name, image, ports, resources }) => ({
            label: name,
            under: [
              line('Image', image),
              line('Ports', (ports ?? []).map((port) => `${port.containerPort}/${port.protocol ?? 'TCP'}`).join(', ')),
              line('Requests', pairs(resources?.requests)),
            ],
          })),
        },
      ],
    },
    {
      label: 'Conditions',
      table: {
        headers: ['Type', 'Status', 'Reason', 'Message'],
        rows: (status?.conditions ?? []).map((found) => [
          found.type,
          found.status,
          found.reason ?? '',
          found.message ?? '',
        ]),
      },
    },
    {
      label: 'ReplicaSets',
      value:
        living.length > 0
          ? living.map(
              (set) => `${set.metadata.name} (${set.status?.replicas ?? 0}/${set.spec.replicas ?? 0} replicas)`,
            )
          : '<none>',
    },
  ];
}
