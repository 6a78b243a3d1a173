import { createAgent } from '../../agent/agent.ts';
import { memoryCheckpoint } from '../../agent/checkpoint/checkpoint.ts';
import { FakeEngine } from '../../agent/runtime/fake/engine.ts';
import { FakeRuntime } from '../../agent/runtime/fake/fake.ts';
import type { ProcessStream } from '../../agent/runtime/runtime.ts';
import { hollowVolumes } from '../../agent/volumes/hollow-volumes.ts';
import { systemClock as clock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import type { Authority, KeyPair } from '../../shared/pki/certificates.ts';
import { systemRandom as random } from '../../shared/random.ts';
import { createRpcChannel, type RpcChannel } from '../../shared/rpc/channel.ts';
import type { RpcSchema } from '../../shared/rpc/schema.ts';
import { grpcSessionTransport } from '../../shared/rpc/session-client.ts';
import type { SessionConnection, SessionTransport } from '../../shared/session.ts';

/** A hollow node in this process, with a real line to a server in another. */
export interface RemoteHollowNode {
  /** The commands that are under way in its pods. */
  readonly commands: ReadonlySet<ProcessStream>;
  /** How many sessions it has had. */
  sessions(): number;
  /** When its acknowledged heartbeats were acknowledged, by the monotonic clock. */
  readonly acknowledged: readonly number[];
  /** From its next session on it dials another server. */
  dial(address: string): void;
  stop(): Promise<void>;
}

export async function startRemoteHollowNode(
  name: string,
  address: string,
  { authority, schema, ...own }: { authority: Authority; schema: RpcSchema; credentials?: KeyPair },
): Promise<RemoteHollowNode> {
  const stop = new AbortController();
  const subject = { user: `system:node:${name}`, groups: ['system:nodes'] };
  const credentials = own.credentials ?? (await authority.issueClient(subject));
  const channels: RpcChannel[] = [];
  const lineTo = (server: string): SessionTransport => {
    const tls = { ca: authority.certificate, credentials };
    const channel = createRpcChannel({ address: server, tls }, { clock, schema });
    channels.push(channel);
    return grpcSessionTransport(channel);
  };
  let line = lineTo(address);
  const commands = new Set<ProcessStream>();
  const acknowledged: number[] = [];
  const agent = createAgent({
    clock,
    random,
    log: silentLog,
    transport: {
      connect: (signal) => counted(line.connect(signal), () => acknowledged.push(clock.monotonic())),
      tunnel: (id, signal) => line.tunnel(id, signal),
    },
    runtime: watched(new FakeRuntime(new FakeEngine({ clock, random }, { images: 'all' })), commands),
    volumes: hollowVolumes,
    checkpoint: memoryCheckpoint(new Map()),
    dialers: { http: refuse, tcp: refuse, grpc: refuse },
    usageEveryMs: 1_000,
    node: {
      name,
      address: '192.0.2.1',
      labels: {},
      taints: [],
      version: 'v1.32.0-test',
      machineId: name,
      bootId: 'boot',
      maxPods: 110,
      reserved: { cpuMillis: 0, memoryBytes: 0 },
    },
  });
  const working = agent.run(stop.signal);
  return {
    commands,
    acknowledged,
    sessions: () => agent.stats.sessions,
    dial(server) {
      line = lineTo(server);
    },
    async stop() {
      stop.abort(new Error('the test is over'));
      await working;
      for (const channel of channels) channel.close();
    },
  };
}

function counted(connection: SessionConnection, acknowledged: () => void): SessionConnection {
  return {
    ...connection,
    heartbeats(target, signal) {
      const stream = connection.heartbeats(target, signal);
      return { ...stream, incoming: each(stream.incoming, acknowledged) };
    },
  };
}

async function* each<T>(source: AsyncIterable<T>, passed: () => void): AsyncGenerator<T> {
  for await (const item of source) {
    passed();
    yield item;
  }
}

function watched(runtime: FakeRuntime, commands: Set<ProcessStream>): FakeRuntime {
  const openExec = runtime.openExec.bind(runtime);
  runtime.openExec = async (id, command) => {
    const process = await openExec(id, command);
    const close = process.close.bind(process);
    commands.add(process);
    process.close = async () => {
      commands.delete(process);
      await close();
    };
    return process;
  };
  return runtime;
}

async function refuse(): Promise<never> {
  throw new Error('connect: connection refused');
}
