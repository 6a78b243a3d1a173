import type { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { ProcessStream, ProcessStreams } from '../../../agent/runtime/runtime.ts';
import { exited, type RuntimeSubject, runPod } from './subject.ts';

export const allStreams: ProcessStreams = { stdin: true, stdout: true, stderr: true, tty: false };
export const patient = (): AbortSignal => AbortSignal.timeout(30_000);

/** All that a process writes until its end, by source. */
export async function outputOf(process: ProcessStream): Promise<{ stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  for await (const { source, data } of process.output) written[source] += Buffer.from(data).toString();
  return written;
}

export async function textOf(socket: Duplex): Promise<string> {
  let text = '';
  for await (const data of socket.iterator({ destroyOnReturn: false }))
    text += Buffer.from(data as Uint8Array).toString();
  return text;
}

/** What every runtime promises of the streams of its processes and pods. */
export function streamTests(current: () => RuntimeSubject): void {
  describe('streams', () => {
    test('a command writes to the stream that opened it, and returns its exit code', async () => {
      const { runtime, does, streams, exec } = current();
      const { id } = await runPod(runtime, does.run, 'open-exec');
      const echo = await runtime.openExec(id, streams.echo('here'), { ...allStreams, stdin: false }, patient());
      expect(await outputOf(echo)).toEqual({ stdout: 'here\n', stderr: '' });
      expect(await echo.exitCode(patient())).toBe(0);
      const failing = await runtime.openExec(id, exec.fail(5), allStreams, patient());
      expect(await outputOf(failing)).toEqual({ stdout: '', stderr: '' });
      expect(await failing.exitCode(patient())).toBe(5);
    });

    test('the end of the input reaches a command while its output goes on', async () => {
      const { runtime, does, streams } = current();
      const { id } = await runPod(runtime, does.run, 'half-close');
      const cat = await runtime.openExec(id, streams.cat, allStreams, patient());
      const output = outputOf(cat);
      await cat.write(Buffer.from('one\n'));
      await cat.write(Buffer.from('two\n'));
      cat.endInput();
      expect((await output).stdout).toBe('one\ntwo\n');
      expect(await cat.exitCode(patient())).toBe(0);
    });

    test('a command that is closed ends, and closing it again is nothing', async () => {
      const { runtime, does, streams } = current();
      const { id } = await runPod(runtime, does.run, 'closed');
      const hang = await runtime.openExec(id, streams.hang, allStreams, patient());
      await hang.close();
      expect(await hang.exitCode(patient())).toBe(137);
      await hang.close();
    });

    test('a container that does not run takes no commands and no attachments', async () => {
      const { runtime, does, exec } = current();
      const { id, sandbox } = await runPod(runtime, does.exit(0), 'not-running');
      await exited(runtime, id);
      await expect(runtime.openExec(id, exec.succeed, allStreams, patient())).rejects.toMatchObject({
        code: 'NotFound',
      });
      await expect(runtime.attach(id, allStreams, patient())).rejects.toMatchObject({ code: 'NotFound' });
      await runtime.removeSandbox(sandbox.id);
      await expect(runtime.dial(sandbox.id, 7, patient())).rejects.toMatchObject({ code: 'NotFound' });
    });

    test('an attachment ends with its container, and the container not with its attachment', async () => {
      const { runtime, does } = current();
      const { id } = await runPod(runtime, does.run, 'attached');
      const left = await runtime.attach(id, allStreams, patient());
      await left.close();
      expect(await runtime.inspectContainer(id)).toMatchObject({ state: 'running' });
      const held = await runtime.attach(id, allStreams, patient());
      const output = outputOf(held);
      await runtime.stopContainer(id, 0);
      expect(await output).toEqual({ stdout: '', stderr: '' });
      expect(await held.exitCode(patient())).toBeUndefined();
    });

    test('a connection reaches a port of the pod, and its directions end one by one; a closed port refuses', async () => {
      const { runtime, streams } = current();
      const { sandbox, id } = await runPod(runtime, streams.echoServer, 'dialled');
      const dial = async (): Promise<Duplex> => {
        for (;;) {
          try {
            return await runtime.dial(sandbox.id, 7, patient());
          } catch (error) {
            // It listens a moment after its start.
            if ((error as { code?: string }).code !== 'Refused') throw error;
            expect(await runtime.inspectContainer(id)).toMatchObject({ state: 'running' });
          }
        }
      };
      const socket = await dial();
      const text = textOf(socket);
      socket.end('over there\n');
      expect(await text).toBe('over there\n');
      await expect(runtime.dial(sandbox.id, 9, patient())).rejects.toMatchObject({
        code: 'Refused',
        message: expect.stringContaining('failed to connect to localhost:9 inside namespace'),
      });
    });
  });
}
