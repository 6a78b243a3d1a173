/** What the process knows of the pods that the control plane assigns to the node. */
export type Sources =
  /** Nothing: no pod is started. */
  | 'none'
  /** The control plane has been silent since the start: the pods of the checkpoint are started. */
  | 'checkpoint'
  /** The control plane has sent everything that it assigns. */
  | 'current'
  /** The node's lease has expired since: pods may have been moved away. What was assigned last still holds. */
  | 'stale';

/** How far the node is with its pods. It reports Ready when it is clean and the engine is up. */
export type SyncState =
  /** The runtime has not been listed. */
  | { readonly phase: 'starting'; readonly sources: Sources }
  /** The node may have pods that it should not have. */
  | { readonly phase: 'cleaning'; readonly sources: Sources; readonly engineUp: boolean }
  /** The node has no such pods. */
  | { readonly phase: 'clean'; readonly sources: 'current'; readonly engineUp: boolean };

export type SyncEvent =
  /** The runtime has been listed for the first time. */
  | 'listed'
  | 'engineUp'
  | 'engineDown'
  /** The control plane has not sent what it assigns in time after the start. */
  | 'sourcesTimeout'
  /** The control plane has sent everything that it assigns. */
  | 'assigned'
  | 'leaseExpired'
  /** No orphaned pod, and no pod that was not assigned any more, is left. */
  | 'cleaned';

export const initialState: SyncState = { phase: 'starting', sources: 'none' };

/** The state after an event; the same object when the event does not apply to it. */
export function transition(state: SyncState, event: SyncEvent): SyncState {
  switch (event) {
    case 'listed':
      return state.phase === 'starting' ? { phase: 'cleaning', sources: state.sources, engineUp: false } : state;
    case 'engineUp':
      return state.phase === 'starting' || state.engineUp ? state : { ...state, engineUp: true };
    case 'engineDown':
      return state.phase === 'starting' || !state.engineUp ? state : { ...state, engineUp: false };
    case 'sourcesTimeout':
      return state.phase !== 'clean' && state.sources === 'none' ? { ...state, sources: 'checkpoint' } : state;
    case 'assigned':
      return state.phase === 'clean' || state.sources === 'current' ? state : { ...state, sources: 'current' };
    case 'leaseExpired':
      if (state.phase === 'clean') return { phase: 'cleaning', sources: 'stale', engineUp: state.engineUp };
      return state.sources === 'current' ? { ...state, sources: 'stale' } : state;
    case 'cleaned':
      return state.phase === 'cleaning' && state.sources === 'current'
        ? { phase: 'clean', sources: 'current', engineUp: state.engineUp }
        : state;
  }
}

export function isEngineUp(state: SyncState): boolean {
  return state.phase !== 'starting' && state.engineUp;
}

/** Whether the workers follow the assignments: before the runtime is listed, a running pod would be taken for a new one. */
export function isListed(state: SyncState): boolean {
  return state.phase !== 'starting';
}

/** Whether pods may be started that do not run. */
export function mayStartPods(state: SyncState): boolean {
  return isListed(state) && state.sources !== 'none';
}

/** Whether pods that are not assigned may be removed. */
export function mayRemoveOrphans(state: SyncState): boolean {
  return isListed(state) && sourcesReady(state);
}

/** Whether the control plane has sent everything that it assigns, at least once in this process. */
export function sourcesReady({ sources }: SyncState): boolean {
  return sources === 'current' || sources === 'stale';
}
