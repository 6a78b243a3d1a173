import type { ContainerSpec, ContainerState, Resources, Runtime, SandboxSpec } from '../../../agent/runtime/runtime.ts';
import { eventually } from '../../support/eventually.ts';
import { plainContainer, plainSandbox } from '../../support/runtime-specs.ts';

/** What a container is to do, in the words of one runtime: the parts of its spec that say so. */
export type Doing = Pick<ContainerSpec, 'image'> & Partial<ContainerSpec>;

/** One runtime, made ready for the suite. */
export interface RuntimeSubject {
  readonly runtime: Runtime;
  /** Another agent's start on the same engine. */
  again(): Runtime;
  readonly does: {
    /** Runs until its stop signal, and then ends with 0. */
    run: Doing;
    /** Runs until it is killed. */
    stubborn: Doing;
    exit(code: number): Doing;
    /** Runs until its stop signal, and then ends with the code. */
    endWith(code: number): Doing;
    /** Takes more memory than it may. */
    oom: Doing;
    /** Writes the lines and runs on. */
    print(lines: readonly string[]): Doing;
    /** Cannot be started. */
    refused: Doing;
  };
  readonly exec: { succeed: string[]; fail: (code: number) => string[] };
  readonly streams: {
    /** Commands: prints the word, gives back its input, runs until it is killed. */
    echo(word: string): string[];
    cat: string[];
    hang: string[];
    /** Gives back, on port 7, whatever it gets. */
    echoServer: Doing;
  };
  /** Ends a sandbox's or a container's process, past the runtime, as the kernel or a user of the machine would. */
  kill(id: string): Promise<void>;
  /** What the container's cgroup has, as the engine says. */
  resourcesOf(id: string): Promise<Resources>;
  /** An image that no registry has, named so that the answer comes fast. */
  readonly missingImage: string;
  close(): Promise<void>;
}

let pods = 0;

/** A pod of its own for each test; addresses in 10.91.0.0/16. */
export function podOf(test: string): Pick<SandboxSpec, 'pod' | 'address'> {
  pods++;
  const pod = { namespace: 'default', name: test, uid: `${test}-${process.pid}-${pods}` };
  return { pod, address: `10.91.${pods >> 8}.${pods & 255}` };
}

export function sandboxOf(name: string, more: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    ...plainSandbox,
    ...podOf(name),
    hostname: name,
    dns: { servers: ['10.0.0.10'], searches: ['default.svc.cluster.local'], options: ['ndots:5'] },
    ...more,
  };
}

export function containerOf({ pod }: SandboxSpec, doing: Doing, more: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    ...plainContainer,
    pod,
    ...doing,
    ...more,
  };
}

/** Makes a sandbox and runs one container in it. */
export async function runPod(runtime: Runtime, doing: Doing, name: string, more: Partial<ContainerSpec> = {}) {
  const spec = sandboxOf(name);
  const sandbox = await runtime.createSandbox(spec);
  const id = await runtime.createContainer(sandbox.id, containerOf(spec, doing, more));
  await runtime.startContainer(id);
  return { spec, sandbox, id };
}

export function exited(runtime: Runtime, id: string): Promise<ContainerState> {
  return eventually(async () => {
    const state = await runtime.inspectContainer(id);
    return state?.state === 'exited' && state;
  });
}
