import type { ControllerDefinition } from '../definition.ts';
import { horizontalPodAutoscalerAccount } from './account.ts';
import { createHorizontalPodAutoscalerController } from './controller.ts';

export const horizontalPodAutoscaler: ControllerDefinition = {
  account: horizontalPodAutoscalerAccount,
  create: createHorizontalPodAutoscalerController,
};
