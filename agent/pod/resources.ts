import type { Container, ResourceRequirements } from '../../shared/generated/types.ts';
import type { ContainerState } from '../runtime/runtime.ts';
import type { PodView } from './model.ts';

/** Label of a container: the resources that it was created with. They may have been resized since. */
export const resourcesLabel = 'coracle.io/resources';

const names = ['cpu', 'memory'] as const;

/** The resources of a container that its cgroup has, as a text to compare. */
export function resourcesText({ resources = {} }: Pick<Container, 'resources'>): string {
  const { requests = {}, limits = {} } = resources;
  return names.map((name) => `${name}=${requests[name] ?? ''}/${limits[name] ?? ''}`).join(',');
}

/** The reverse of `resourcesText`. Undefined when there are none. */
export function resourcesOfText(text: string): ResourceRequirements | undefined {
  const requests: Record<string, string> = {};
  const limits: Record<string, string> = {};
  for (const [, name = '', request, limit] of text.matchAll(/(\w+)=([^/,]*)\/([^/,]*)/g)) {
    if (request) requests[name] = request;
    if (limit) limits[name] = limit;
  }
  if (Object.keys(requests).length + Object.keys(limits).length === 0) return undefined;
  return {
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
    ...(Object.keys(requests).length > 0 ? { requests } : {}),
  };
}

/** The resources that a running container has now; undefined when they are not known. */
export function appliedResources({ memory }: PodView, state: ContainerState): string | undefined {
  const resized = memory.containers[state.name]?.resized;
  return resized?.id === state.id ? resized.resources : state.labels[resourcesLabel];
}

/** Whether a running container does not have the resources of its spec yet. */
export function isResizing(view: PodView, container: Container, state: ContainerState): boolean {
  const applied = appliedResources(view, state);
  if (applied === undefined) return false;
  const resized = view.memory.containers[state.name]?.resized;
  return applied !== resourcesText(container) || (resized?.id === state.id && resized.changing === true);
}

/** Whether the container's resizePolicy asks for a restart to apply its new resources. */
export function restartsToResize(container: Container, applied: string): boolean {
  const [before, after] = [partsOf(applied), partsOf(resourcesText(container))];
  return (container.resizePolicy ?? []).some(
    ({ resourceName, restartPolicy }) =>
      restartPolicy === 'RestartContainer' && before.get(resourceName) !== after.get(resourceName),
  );
}

function partsOf(text: string): Map<string, string> {
  return new Map(text.split(',').map((part) => part.split('=') as [string, string]));
}
