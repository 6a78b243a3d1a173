import { ApiError } from '../../../../shared/errors.ts';
import type { Connection, TunnelFrame } from '../../../../shared/session.ts';
import type { PodStream } from '../../api.ts';
import { toApiError } from '../responses/respond.ts';
import { channels, statusFrame } from './channels.ts';
import { maxFrame } from './limits.ts';

/** The client's end: its frames come in as long as it is there. */
export type ClientEnd = Connection<TunnelFrame, TunnelFrame>;

/**
 * Carries frames between a client and a pod until the pod's side has said how it ended, or the client has gone; then ends both. Each
 * direction reads on only when the other side has taken what was read. Never rejects. `signal`: ends the pod's side; its reason is told.
 */
export async function relay(client: ClientEnd, pod: PodStream, signal: AbortSignal): Promise<void> {
  const gone = carryIn(client, pod);
  const done = carryOut(pod, client, signal);
  await Promise.race([gone, done]);
  pod.close();
  client.close();
  await Promise.all([gone, done]);
}

/** Resolves when the client has gone. What a pod does not take any more is dropped: its last word may be under way. */
async function carryIn(client: ClientEnd, pod: PodStream): Promise<void> {
  let open = true;
  try {
    for await (const frame of client.incoming) {
      for (const part of partsOf(frame)) if (open) open = await sent(pod, part);
    }
  } catch {
    // A connection that breaks is a client that has gone.
  }
}

/** Resolves when the pod's last word has been handed to the client, or the client takes nothing any more. */
async function carryOut(pod: PodStream, client: ClientEnd, signal: AbortSignal): Promise<void> {
  let why: unknown = new ApiError('InternalError', 'Internal error occurred: the connection to the node was lost');
  try {
    for await (const frame of pod.incoming) {
      if (!(await sent(client, frame)) || frame.channel === channels.status) return;
    }
  } catch (error) {
    why = error;
  }
  await sent(client, statusFrame(toApiError(signal.aborted ? signal.reason : why).toStatus()));
}

/** False when the other side has gone. */
async function sent(to: Connection<TunnelFrame, TunnelFrame>, frame: TunnelFrame): Promise<boolean> {
  try {
    await to.send(frame);
    return true;
  } catch {
    return false;
  }
}

function* partsOf(frame: TunnelFrame): Generator<TunnelFrame> {
  const { data, channel, end } = frame;
  if (data.length <= maxFrame) return yield frame;
  for (let at = 0; at < data.length; at += maxFrame) {
    const next = at + maxFrame;
    yield { data: data.subarray(at, next), channel, end: end && next >= data.length };
  }
}
