import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type Engine, shortMs } from './engine.ts';

/**
 * Takes over the connection of a request: its directions are then the streams of a process, and end independently. docker-modem hides the
 * socket, and so the end of one direction and its backpressure.
 */
export function hijack(
  engine: Engine,
  what: string,
  path: string,
  body: object | undefined,
  signal: AbortSignal,
): Promise<Duplex> {
  const dial = (abortSignal: AbortSignal) =>
    new Promise<Duplex>((resolve, reject) => {
      const json = JSON.stringify(body ?? {});
      const call = request({
        socketPath: engine.socketPath,
        path,
        method: 'POST',
        // A separate connection, which is not returned to the pool.
        agent: false,
        headers: {
          Host: 'docker',
          Connection: 'Upgrade',
          Upgrade: 'tcp',
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(json),
        },
      });
      const onAbort = (): void => {
        call.destroy(abortSignal.reason instanceof Error ? abortSignal.reason : new Error('aborted'));
      };
      const done = (settle: () => void): void => {
        abortSignal.removeEventListener('abort', onAbort);
        settle();
      };
      if (abortSignal.aborted) onAbort();
      abortSignal.addEventListener('abort', onAbort, { once: true });
      call.once('error', (error) => done(() => reject(error)));
      call.once('upgrade', (_response, socket, head) => {
        if (head.length > 0) socket.unshift(head);
        done(() => resolve(socket));
      });
      call.once('response', (response) => {
        buffer(response).then(
          (answer) => done(() => reject(refusal(response.statusCode, answer))),
          (error: unknown) => done(() => reject(error)),
        );
      });
      call.end(json);
    });
  return engine.call(what, dial, { signal, deadlineMs: shortMs });
}

/** The engine's refusal in the form of docker-modem's errors. */
function refusal(statusCode: number | undefined, answer: Buffer): Error {
  const error = new Error(`the engine answered ${statusCode}`);
  return Object.assign(error, { statusCode, json: parsed(answer) });
}

function parsed(answer: Buffer): unknown {
  try {
    return JSON.parse(answer.toString());
  } catch {
    return answer;
  }
}
