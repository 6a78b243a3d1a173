import type { Duplex } from 'node:stream';
import type { Exec } from 'dockerode';
import { type ProcessStream, type ProcessStreams, RuntimeError } from '../runtime.ts';
import { writeTo } from '../write-to.ts';
import { type Engine, isGone } from './engine.ts';
import { hijack } from './hijack.ts';
import { records } from './logs.ts';
import { killTree } from './process-tree.ts';

/**
 * The keys that detach a terminal in Docker, which Kubernetes does not have: control characters that are not typed by chance. The engine
 * returns them in base64, which tells the agent's commands from others.
 */
const detachKeys = 'ctrl-^,ctrl-@,ctrl-_,ctrl-]';
const detachBytes = Buffer.from([30, 0, 31, 29]).toString('base64');
/** Milliseconds that the engine may take to start a command that was aborted. */
const beginMs = 10_000;
const pollMs = { first: 5, cap: 500 };
const stderrSource = 2;
const refusal = /^OCI runtime exec failed: /;
/** The exit codes of a command that was not started. */
const neverBegan = [126, 127];

interface Deps {
  readonly engine: Engine;
  /** Sends SIGKILL to a process of the machine. */
  readonly kill: (pid: number) => void;
}

/** Runs a command. The engine has no call to end it, so it is killed by the pid that the engine returns. */
export async function openExec(
  deps: Deps,
  id: string,
  command: readonly string[],
  { stdin, stdout, stderr, tty }: ProcessStreams,
  signal: AbortSignal,
): Promise<ProcessStream> {
  const { engine } = deps;
  const container = engine.docker.getContainer(id);
  const exec = await engine.call('create exec', async (abortSignal) => {
    const options = {
      Cmd: [...command],
      Tty: tty,
      DetachKeys: detachKeys,
      abortSignal,
      AttachStdin: stdin,
      AttachStdout: stdout,
      AttachStderr: stderr && !tty,
    };
    try {
      return await container.exec(options);
    } catch (error) {
      throw notRunning(id, error);
    }
  });
  let socket: Duplex;
  try {
    socket = await hijack(engine, 'start exec', `/exec/${exec.id}/start`, { Detach: false, Tty: tty }, signal);
  } catch (error) {
    // It may have started all the same.
    await killExec(deps, exec);
    throw error;
  }
  return new ExecStream(deps, exec, socket, tty);
}

export async function attach(
  { engine }: Deps,
  id: string,
  { stdin, stdout, stderr }: ProcessStreams,
  signal: AbortSignal,
): Promise<ProcessStream> {
  const container = engine.docker.getContainer(id);
  const info = await engine.find('inspect container', (abortSignal) => container.inspect({ abortSignal }), { signal });
  if (!info?.State.Running) throw new RuntimeError('NotFound', `container ${id} is not running`);
  const { Tty: tty, OpenStdin, StdinOnce } = info.Config;
  const query = new URLSearchParams({ stream: '1', detachKeys });
  if (stdin && OpenStdin) query.set('stdin', '1');
  if (stdout) query.set('stdout', '1');
  if (stderr && !tty) query.set('stderr', '1');
  const socket = await hijack(engine, 'attach', `/containers/${info.Id}/attach?${query}`, undefined, signal);
  return new AttachStream(engine, info.Id, socket, { tty, endsInput: StdinOnce && !tty });
}

/** Kills the commands that a former process of the agent has left in the container. */
export async function killLeftCommands(deps: Deps, id: string, signal?: AbortSignal): Promise<void> {
  const { engine, kill } = deps;
  const container = engine.docker.getContainer(id);
  const info = await engine.find('inspect container', (abortSignal) => container.inspect({ abortSignal }), { signal });
  for (const execId of info?.ExecIDs ?? []) {
    const exec = engine.docker.getExec(execId);
    const found = await engine.find('inspect exec', () => look(engine, exec), { signal });
    if (found?.Running && found.Pid > 0 && found.DetachKeys === detachBytes) await killTree(found.Pid, kill);
  }
}

abstract class SocketStream implements ProcessStream {
  protected readonly socket: Duplex;
  readonly #tty: boolean;

  constructor(socket: Duplex, tty: boolean) {
    this.socket = socket;
    this.#tty = tty;
    // Readers and writers see the error.
    socket.on('error', () => undefined);
  }

  get output(): ProcessStream['output'] {
    return this.#tty ? raw(this.socket) : bySource(this.socket);
  }

  write(data: Uint8Array): Promise<void> {
    return writeTo(this.socket, data);
  }

  endInput(): void {
    if (!this.socket.writableEnded) this.socket.end();
  }

  abstract resize(size: { width: number; height: number }): Promise<void>;
  abstract exitCode(signal: AbortSignal): Promise<number | undefined>;

  async close(): Promise<void> {
    this.socket.destroy();
  }
}

class ExecStream extends SocketStream {
  readonly #deps: Deps;
  readonly #exec: Exec;

  constructor(deps: Deps, exec: Exec, socket: Duplex, tty: boolean) {
    super(socket, tty);
    this.#deps = deps;
    this.#exec = exec;
  }

  override get output(): ProcessStream['output'] {
    return this.#begun(super.output);
  }

  /** The engine writes the reason of a failed start in place of the output. Throws it as Start. */
  async *#begun(output: ProcessStream['output']): ProcessStream['output'] {
    let suspect: { source: 'stdout' | 'stderr'; data: Uint8Array } | undefined;
    let first = true;
    for await (const record of output) {
      if (suspect) yield suspect;
      suspect = first && refusal.test(Buffer.from(record.data).toString()) ? record : undefined;
      first = false;
      if (!suspect) yield record;
    }
    if (!suspect) return;
    const { Pid, ExitCode } = await this.#end(new AbortController().signal);
    if (!Pid && neverBegan.includes(ExitCode))
      throw new RuntimeError('Start', Buffer.from(suspect.data).toString().trim());
    yield suspect;
  }

  async resize({ width, height }: { width: number; height: number }): Promise<void> {
    const { engine } = this.#deps;
    await engine.call('resize exec', (abortSignal) => this.#exec.resize({ w: width, h: height, abortSignal }));
  }

  async exitCode(signal: AbortSignal): Promise<number> {
    return (await this.#end(signal)).ExitCode;
  }

  /** The output may end before the process, which may have closed it. */
  async #end(signal: AbortSignal): Promise<{ Pid: number; ExitCode: number }> {
    const { engine } = this.#deps;
    for (let wait = pollMs.first; ; wait = Math.min(pollMs.cap, wait * 2)) {
      const { Running, ExitCode, Pid } = await look(engine, this.#exec);
      if (!Running && ExitCode !== null) return { ExitCode, Pid };
      await engine.clock.sleep(wait, signal);
    }
  }

  /** Killed first: the end of its streams could end the command alone, and leave its descendants. */
  override async close(): Promise<void> {
    try {
      await killExec(this.#deps, this.#exec);
    } finally {
      await super.close();
    }
  }
}

class AttachStream extends SocketStream {
  readonly #engine: Engine;
  readonly #id: string;
  readonly #endsInput: boolean;

  constructor(engine: Engine, id: string, socket: Duplex, { tty, endsInput }: { tty: boolean; endsInput: boolean }) {
    super(socket, tty);
    this.#engine = engine;
    this.#id = id;
    this.#endsInput = endsInput;
  }

  /** Without `stdinOnce` the engine would end the output as well. */
  override endInput(): void {
    if (this.#endsInput) super.endInput();
  }

  async resize({ width, height }: { width: number; height: number }): Promise<void> {
    const container = this.#engine.docker.getContainer(this.#id);
    await this.#engine.call('resize', (abortSignal) => container.resize({ w: width, h: height, abortSignal }));
  }

  async exitCode(): Promise<undefined> {
    return undefined;
  }
}

/** Kills the command; waits for its start if the engine is starting it. */
async function killExec({ engine, kill }: Deps, exec: Exec): Promise<void> {
  const end = engine.clock.monotonic() + beginMs;
  for (let wait = pollMs.first; ; wait = Math.min(pollMs.cap, wait * 2)) {
    try {
      const { Running, ExitCode, Pid } = await look(engine, exec);
      if (Running && Pid > 0) return await killTree(Pid, kill);
      if (ExitCode !== null || engine.clock.monotonic() >= end) return;
    } catch (error) {
      // It ended with its container.
      if (isGone(error)) return;
      throw error;
    }
    await engine.clock.sleep(wait);
  }
}

interface ExecState {
  readonly Running: boolean;
  /** Null until it has ended. */
  readonly ExitCode: number | null;
  /** On the machine; 0 until it was started. */
  readonly Pid: number;
  readonly DetachKeys?: string;
}

function look(engine: Engine, exec: Exec): Promise<ExecState> {
  return engine.call('inspect exec', (abortSignal) => exec.inspect({ abortSignal }) as Promise<ExecState>);
}

async function* raw(socket: Duplex): ProcessStream['output'] {
  for await (const data of socket) yield { source: 'stdout', data: data as Uint8Array };
}

async function* bySource(socket: Duplex): ProcessStream['output'] {
  for await (const { source, data } of records(socket)) {
    yield { source: source === stderrSource ? 'stderr' : 'stdout', data };
  }
}

function notRunning(id: string, error: unknown): unknown {
  // 409: it does not run.
  if ((error as { statusCode?: number }).statusCode !== 409) return error;
  return new RuntimeError('NotFound', `container ${id} is not running`, { cause: error });
}
