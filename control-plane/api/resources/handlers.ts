import type { KindHandlers } from '../requests/unstored.ts';
import { componentStatuses } from './component-status.ts';
import { bindings } from './pod/binding.ts';
import { reviews } from './reviews/index.ts';

/** Kinds that are not stored, and whose handlers need only the core: kind → handler. */
export const handlers: KindHandlers = {
  Binding: bindings,
  ComponentStatus: componentStatuses,
  ...reviews,
};
