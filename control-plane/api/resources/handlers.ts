import type { KindHandlers } from '../requests/unstored.ts';
import { componentStatuses } from './component-status.ts';
import { bindings } from './pod/binding.ts';
import { reviews } from './reviews/index.ts';

/** What answers for the kinds that are not stored and need nothing but the core: kind → handler. */
export const handlers: KindHandlers = {
  Binding: bindings,
  ComponentStatus: componentStatuses,
  ...reviews,
};
