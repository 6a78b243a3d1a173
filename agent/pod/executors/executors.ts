import type { Action } from '../steps.ts';
import type { Executor } from './context.ts';
import { createContainer } from './create-container.ts';
import { cleanup, finish } from './finish.ts';
import { pullImage } from './pull-image.ts';
import { createSandbox, removeSandbox } from './sandbox.ts';
import { startContainer } from './start-container.ts';
import { preStop, removeContainer, stopContainer } from './stop-container.ts';
import { updateContainer } from './update-container.ts';
import { prepareVolumes, releaseVolumes } from './volumes.ts';

export const executors: { readonly [A in Action]: Executor<A> } = {
  prepareVolumes,
  createSandbox,
  removeSandbox,
  pullImage,
  createContainer,
  startContainer,
  preStop,
  stopContainer,
  updateContainer,
  removeContainer,
  finish,
  releaseVolumes,
  cleanup,
  wait: async () => {
    throw new Error('only the worker waits');
  },
};
