import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface TestNetns {
  readonly name: string;
  /** As nsenter and dockerd's wrapper take it. */
  readonly path: string;
  /** Runs a command in the namespace (and nothing else of it) and returns what it wrote. */
  run(command: string, ...args: string[]): Promise<string>;
  remove(): Promise<void>;
}

/** A network namespace of the test's own, with its loopback up. */
export async function makeNetns(): Promise<TestNetns> {
  const name = `coracle-test-${randomBytes(4).toString('hex')}`;
  const path = `/run/netns/${name}`;
  await run('ip', ['netns', 'add', name]);
  await run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  return {
    name,
    path,
    run: async (command, ...args) =>
      (await run('nsenter', [`--net=${path}`, command, ...args], { timeout: 20_000 })).stdout,
    remove: async () => void (await run('ip', ['netns', 'del', name])),
  };
}

/** A cable between two namespaces: `eth0` in both, with an address and prefix length each. */
export async function connect(a: TestNetns, addressA: string, b: TestNetns, addressB: string): Promise<void> {
  await run('ip', ['-n', a.name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b.name]);
  for (const [end, address] of [
    [a, addressA],
    [b, addressB],
  ] as const) {
    await run('ip', ['-n', end.name, 'address', 'add', address, 'dev', 'eth0']);
    await run('ip', ['-n', end.name, 'link', 'set', 'eth0', 'up']);
  }
}

/** Why no namespaces can be made here; undefined when they can. */
export async function netnsMissing(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'not root';
  try {
    await (await makeNetns()).remove();
    return undefined;
  } catch (error) {
    return String(error);
  }
}
