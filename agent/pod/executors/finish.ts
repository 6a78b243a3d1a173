import type { Executor } from './context.ts';

export const finish: Executor<'finish'> = async (deps, context, { phase, reason, message, refused }) => {
  if (reason) deps.event(context.pod, phase === 'Failed' ? 'Warning' : 'Normal', reason, message ?? '');
  const text = refused && message ? `Pod was rejected: ${message}` : message;
  context.setMemory({
    terminal: {
      phase,
      since: deps.clock.now(),
      ...(reason ? { reason } : {}),
      ...(text ? { message: text } : {}),
      ...(refused ? { refused } : {}),
    },
  });
};

export const cleanup: Executor<'cleanup'> = async (deps, context) => {
  const { uid } = context.pod.metadata;
  await deps.volumes.remove(uid);
  deps.releaseAddress(uid);
  context.finished();
};
