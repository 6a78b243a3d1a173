import type { Pod, PodStatus } from '../../shared/generated/types.ts';
import { allContainers } from '../../shared/pod.ts';

export interface BackOffEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly text: string;
  readonly container: string;
}

/** The events of containers that have entered a back-off since the status before. */
export function backOffEvents(pod: Pod, before: PodStatus | undefined, now: PodStatus): BackOffEvent[] {
  const { name: podName, namespace, uid } = pod.metadata;
  const events: BackOffEvent[] = [];
  for (const { name, image, state, restartCount } of containers(now)) {
    const reason = state?.waiting?.reason;
    if (reason !== 'CrashLoopBackOff' && reason !== 'ImagePullBackOff') continue;
    const earlier = containers(before).find((each) => each.name === name);
    if (earlier?.state?.waiting?.reason === reason && earlier.restartCount === restartCount) continue;
    if (reason === 'CrashLoopBackOff') {
      const text = `Back-off restarting failed container ${name} in pod ${podName}_${namespace}(${uid})`;
      events.push({ type: 'Warning', reason: 'BackOff', text, container: name });
    } else {
      const spec = allContainers(pod.spec).find((each) => each.name === name);
      const text = `Back-off pulling image "${spec?.image ?? image ?? ''}"`;
      events.push({ type: 'Normal', reason: 'BackOff', text, container: name });
      events.push({ type: 'Warning', reason: 'Failed', text: 'Error: ImagePullBackOff', container: name });
    }
  }
  return events;
}

function containers(status: PodStatus | undefined) {
  return [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ];
}
