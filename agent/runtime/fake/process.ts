import { Duplex, PassThrough } from 'node:stream';
import { type ProcessStream, type ProcessStreams, RuntimeError } from '../runtime.ts';
import { execCode } from './behaviour.ts';
import type { FakeContainer } from './engine.ts';

/** The exit code of a process that SIGKILL ended. */
const killed = 137;

/** How a command in a hollow container uses its streams. */
type Program = (io: {
  input: AsyncIterable<Uint8Array>;
  print(text: string | Uint8Array): Promise<void>;
}) => Promise<number>;

/**
 * A command in a hollow container: `echo` prints its arguments, `cat` its input, `sleep` runs until it is killed, others end at once with
 * their exit code (`behaviour.ts`).
 */
export function fakeExec(container: FakeContainer, command: readonly string[]): ProcessStream {
  return new FakeProcess(programOf(container, command));
}

function programOf(container: FakeContainer, [name = '', ...args]: readonly string[]): Program {
  if (container.behaviour.hangs) return () => new Promise(() => undefined);
  switch (name.slice(name.lastIndexOf('/') + 1)) {
    case 'echo':
      return async ({ print }) => {
        await print(`${args.join(' ')}\n`);
        return 0;
      };
    case 'cat':
      return async ({ input, print }) => {
        for await (const data of input) await print(data);
        return 0;
      };
    case 'sleep':
      return () => new Promise(() => undefined);
    default:
      return async () => execCode(container.behaviour, [name, ...args]);
  }
}

class FakeProcess implements ProcessStream {
  readonly #input = new PassThrough();
  readonly #output = new PassThrough();
  readonly #code: Promise<number>;
  #kill: (code: number) => void = () => undefined;

  constructor(program: Program) {
    const end = new Promise<number>((resolve) => {
      this.#kill = resolve;
    });
    const print = (data: string | Uint8Array): Promise<void> => write(this.#output, data);
    this.#code = Promise.race([program({ input: this.#input, print }), end]).finally(() => this.#output.end());
    // `exitCode` reports a failure.
    this.#code.catch(() => undefined);
  }

  get output(): ProcessStream['output'] {
    return stdoutOf(this.#output);
  }

  write(data: Uint8Array): Promise<void> {
    return write(this.#input, data);
  }

  endInput(): void {
    this.#input.end();
  }

  async resize(): Promise<void> {
    // Hollow terminals have no size.
  }

  exitCode(): Promise<number> {
    return this.#code;
  }

  async close(): Promise<void> {
    this.#kill(killed);
    this.#input.destroy();
  }
}

/** The lines that a hollow container writes from now on, until its end. It reads no input. */
export function fakeAttach(container: FakeContainer, { stdout }: ProcessStreams): ProcessStream {
  const output = new PassThrough();
  let next = container.written;
  const look = (): void => {
    const unread = container.written - next;
    next = container.written;
    if (stdout && unread > 0) for (const { text } of container.lines.slice(-unread)) output.write(`${text}\n`);
    if (container.state === 'exited') close();
  };
  const close = (): void => {
    container.watchers.delete(look);
    output.end();
  };
  container.watchers.add(look);
  return {
    output: stdoutOf(output),
    write: async () => undefined,
    endInput: () => undefined,
    resize: async () => undefined,
    exitCode: async () => undefined,
    close: async () => close(),
  };
}

/** A connection to a hollow pod: port 7 echoes, others refuse. */
export function fakeDial(port: number): Duplex {
  if (port !== echoPort) throw new RuntimeError('Refused', `failed to connect to localhost:${port} inside namespace`);
  const there = new PassThrough();
  return Duplex.from({ readable: there, writable: there });
}

const echoPort = 7;

async function* stdoutOf(output: PassThrough): ProcessStream['output'] {
  for await (const data of output) yield { source: 'stdout', data: data as Uint8Array };
}

function write(stream: PassThrough, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()));
  });
}
