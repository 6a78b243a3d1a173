import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { ApiError, messageOf } from '../../../../shared/errors.ts';
import type { StreamCall, Upgrade } from '../streams/connect.ts';
import { upgraded } from '../streams/connect.ts';
import { closingMs } from '../streams/limits.ts';

type UpgradeCall = StreamCall & { readonly upgrade: Upgrade };

/**
 * Passes an upgrade on: once the backend has agreed, bytes pass both ways until one side ends. `refused` passes another answer on; a
 * failure before that is thrown.
 */
export async function passUpgrade(
  call: UpgradeCall,
  sent: ClientRequest,
  refused: (answer: IncomingMessage) => Promise<void>,
): Promise<void> {
  const answer = await answerTo(sent);
  if (!answer.upgraded) {
    const { statusCode = 0 } = answer.message;
    if (statusCode >= 400) return refused(answer.message);
    throw new ApiError('Unknown', `invalid upgrade response: status code ${statusCode}`);
  }
  const { message, upgraded: peer } = answer;
  const { socket, head } = call.upgrade;
  call.context.audit?.started(101);
  socket.write(headOf(message));
  socket.write(peer.head);
  await upgraded(call, async () => {
    peer.socket.write(head);
    await carry(call, socket, peer.socket);
  });
  peer.socket.destroy();
}

/** Kubernetes' answer when the backend of an upgrade cannot be dialled: 500 without a reason. */
export function notDialled(error: unknown): ApiError {
  return new ApiError('Unknown', `error dialing backend: ${dialFault(error)}`);
}

/** The message of an error without Kubernetes' words for a node that cannot be reached. */
export function dialFault(error: unknown): string {
  return messageOf(error).replace(/^error dialing backend: /, '');
}

interface Answer {
  readonly message: IncomingMessage;
  readonly upgraded?: { readonly socket: Duplex; readonly head: Buffer };
}

function answerTo(sent: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    sent.once('response', (message) => resolve({ message }));
    sent.once('upgrade', (message, socket, head) => resolve({ message, upgraded: { socket, head } }));
    sent.on('error', (error) => reject(notDialled(error)));
  });
}

function headOf({ statusMessage, rawHeaders }: IncomingMessage): string {
  let text = `HTTP/1.1 101 ${statusMessage || 'Switching Protocols'}\r\n`;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) text += `${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`;
  return `${text}\r\n`;
}

/** Resolves when both sides have ended, one has ended and the other does not soon after, or one is broken. */
function carry({ clock }: Pick<StreamCall, 'clock'>, client: Duplex, peer: Duplex): Promise<void> {
  return new Promise((resolve) => {
    let late: { cancel(): void } | undefined;
    let open = 2;
    const over = (): void => {
      late?.cancel();
      client.destroy();
      peer.destroy();
      resolve();
    };
    const oneWay = (from: Duplex, to: Duplex): void => {
      from.pipe(to);
      from.once('error', over);
      from.once('close', () => {
        if (!from.readableEnded) over();
      });
      to.once('close', () => {
        if (!to.writableFinished) over();
      });
      // The bytes before the end have been passed on.
      to.once('finish', () => {
        if (--open === 0) over();
        else late = clock.timer(closingMs, over);
      });
    };
    oneWay(client, peer);
    oneWay(peer, client);
  });
}
