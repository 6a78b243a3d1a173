import type { ContainerMemory } from '../model.ts';
import { resourcesText } from '../resources.ts';
import { cgroupResources } from '../spec/container-spec.ts';
import { type Executor, specOf } from './context.ts';

export const updateContainer: Executor<'updateContainer'> = async (deps, context, args) => {
  const { container: name, id, from, resources } = args;
  const container = specOf(context.pod, name);
  // The spec may have moved on since the plan; the next plan sees it.
  if (resourcesText(container) !== resources) return;
  const remember = (resized: ContainerMemory['resized']): void => {
    const memory = context.memory.containers[name];
    if (memory) context.setMemory({ containers: { ...context.memory.containers, [name]: { ...memory, resized } } });
  };
  // The engine does not say what a container was given: after a crash in between, the agent must update it again.
  remember({ id, resources: from, changing: true });
  await deps.saved();
  await deps.runtime.updateContainer(id, cgroupResources(context.pod, container, deps.node().memoryCapacity));
  remember({ id, resources });
};
