import type { ContainerStatus, PodStatus } from '../../shared/generated/types.ts';

/** The runtime's id of the container whose log is requested, or why there is none. */
export type LogSource = { readonly id: string } | { readonly refusal: string };

/**
 * Finds the run of a container that a log request is for, by the pod's status: the current one, else the last; with `previous` the one
 * before. Rules and messages are the kubelet's (`validateContainerLogStatus`).
 */
export function logSource(status: PodStatus | undefined, pod: string, container: string, previous: boolean): LogSource {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = status ?? {};
  const all = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses];
  const found = all.find(({ name }) => name === container);
  const who = `container "${container}" in pod "${pod}"`;
  if (!found) return { refusal: `${who} is not available` };
  const last = idOf(found.lastState?.terminated?.containerID);
  if (previous) {
    return last ? { id: last } : { refusal: `previous terminated ${who} not found` };
  }
  const { running, terminated, waiting } = found.state ?? {};
  const id = running ? idOf(found.containerID) : (idOf(terminated?.containerID) ?? last);
  if (id) return { id };
  if (terminated || found.lastState?.terminated) return { refusal: `${who} is terminated` };
  return { refusal: `${who} is waiting to start${waiting ? `: ${whyWaiting(waiting)}` : ' - no logs yet'}` };
}

function whyWaiting({ reason }: NonNullable<NonNullable<ContainerStatus['state']>['waiting']>): string {
  if (reason === 'ErrImagePull') return "image can't be pulled";
  if (reason === 'ImagePullBackOff') return 'trying and failing to pull image';
  return reason ?? '';
}

/** `docker://ID` */
function idOf(containerId: string | undefined): string | undefined {
  return containerId?.replace(/^[a-z-]+:\/\//, '') || undefined;
}
