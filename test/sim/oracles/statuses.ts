import type { ContainerStatus, Pod } from '../../../shared/generated/types.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { changeOf, type Oracle } from '../history.ts';
import { hasEnded } from './facts.ts';

/**
 * What only moves forward while an object lives: the phases Succeeded and Failed are final (Pod Lifecycle), `restartCount`, `startTime`,
 * `observedGeneration`, how a container ended, and the starts of a container by the clock of its node, unless that was set back.
 */
export const statusesMoveForward: Oracle = (history) => {
  const broken: string[] = [];
  for (const { revision, changes } of history.steps) {
    for (const change of changes) {
      const { before, after } = change;
      if (!before || !after || before.metadata.uid !== after.metadata.uid) continue;
      const pod = changeOf(change, 'Pod');
      const faults = [
        ...generationFaults(before, after),
        ...(pod?.before && pod.after ? podFaults(pod.before, pod.after, history.setBack) : []),
      ];
      broken.push(...faults.map((fault) => `${change.kind} ${change.key} at ${revision}: ${fault}`));
    }
  }
  return broken;
};

function generationFaults(before: KubeObject, after: KubeObject): string[] {
  const [was, is] = [observed(before), observed(after)];
  const faults = is < was ? [`observedGeneration went back from ${was} to ${is}`] : [];
  const { generation = 0 } = after.metadata;
  if (is > generation) faults.push(`observedGeneration ${is} is ahead of generation ${generation}`);
  if (generation < (before.metadata.generation ?? 0)) faults.push(`generation went back to ${generation}`);
  return faults;
}

function observed({ status }: KubeObject): number {
  return (status as { observedGeneration?: number } | undefined)?.observedGeneration ?? 0;
}

function podFaults(before: Pod, after: Pod, setBack: ReadonlySet<string>): string[] {
  const faults: string[] = [];
  const [was, is] = [before.status, after.status];
  if (hasEnded(before) && was?.phase !== is?.phase) faults.push(`it was ${was?.phase}, and is ${is?.phase}`);
  if (was?.startTime && was.startTime !== is?.startTime)
    faults.push(`startTime ${was.startTime} became ${is?.startTime}`);
  for (const old of was?.containerStatuses ?? []) {
    const now = is?.containerStatuses?.find(({ name }) => name === old.name);
    if (!now) faults.push(`the status of container ${old.name} went away`);
    else faults.push(...containerFaults(old, now, setBack.has(after.spec.nodeName ?? '')));
  }
  return faults;
}

function containerFaults(was: ContainerStatus, is: ContainerStatus, clockSetBack: boolean): string[] {
  const faults: string[] = [];
  if (is.restartCount < was.restartCount)
    faults.push(`${is.name}: restartCount ${was.restartCount} → ${is.restartCount}`);
  const [from, to] = [startOf(was), startOf(is)];
  if (!clockSetBack && from && to && to < from) faults.push(`${is.name}: started ${from}, and then ${to}`);
  if (isEndRewritten(was, is)) faults.push(`${is.name}: the reported end of ${was.containerID} changed`);
  const same = was.containerID !== undefined && was.containerID === is.containerID;
  if (same && was.state?.terminated && is.state?.running)
    faults.push(`${is.name}: container ${is.containerID} ran again`);
  return faults;
}

function startOf({ state }: ContainerStatus): string | undefined {
  return state?.running?.startedAt ?? state?.terminated?.startedAt;
}

/** How a container ended is reported once: exit code, start and end stay, as its state or as its last one. */
function isEndRewritten(was: ContainerStatus, is: ContainerStatus): boolean {
  const told = [was.state?.terminated, was.lastState?.terminated].filter((end) => end?.containerID);
  const now = [is.state?.terminated, is.lastState?.terminated];
  return told.some((before) => {
    const after = now.find((end) => end?.containerID === before?.containerID);
    return (
      after &&
      [after.exitCode, after.startedAt, after.finishedAt].join() !==
        [before?.exitCode, before?.startedAt, before?.finishedAt].join()
    );
  });
}
