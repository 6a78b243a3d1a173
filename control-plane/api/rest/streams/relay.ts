import { ApiError } from '../../../../shared/errors.ts';
import type { Connection, TunnelFrame } from '../../../../shared/session.ts';
import type { PodStream } from '../../api.ts';
import { toApiError } from '../responses/respond.ts';
import { channels, statusFrame } from './channels.ts';
import { maxFrame } from './limits.ts';

/** The client's end: its frames end when the client leaves. */
export type ClientEnd = Connection<TunnelFrame, TunnelFrame>;

/**
 * Carries frames between a client and a pod until the pod's side reports its end, or the client leaves; then ends both. A direction is
 * read only as fast as the other side takes it. Never rejects. `signal`: ends the pod's side, with its reason.
 */
export async function relay(client: ClientEnd, pod: PodStream, signal: AbortSignal): Promise<void> {
  const gone = carryIn(client, pod);
  const done = carryOut(pod, client, signal);
  await Promise.race([gone, done]);
  pod.close();
  client.close();
  await Promise.all([gone, done]);
}

/** Resolves when the client has left. Frames that the pod no longer takes are dropped, as its end may be on its way. */
async function carryIn(client: ClientEnd, pod: PodStream): Promise<void> {
  let open = true;
  try {
    for await (const frame of client.incoming) {
      for (const part of partsOf(frame)) if (open) open = await sent(pod, part);
    }
  } catch {
    // A broken connection is a client that has left.
  }
}

/** Resolves when the pod's end has been sent to the client, or the client takes no more. */
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

/** False when the other side has left. */
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
