import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { Taint } from '../shared/generated/types.ts';
import { createLog, type Log } from '../shared/log.ts';
import { parseIpv4 } from '../shared/net/ipv4.ts';
import { forbiddenNodeLabels } from '../shared/node-labels.ts';
import { systemRandom } from '../shared/random.ts';
import { createRpcChannel, type RpcChannel } from '../shared/rpc/channel.ts';
import { keepRenewed, loadOrJoin, type NodeCredentials } from '../shared/rpc/enroll.ts';
import { grpcSessionTransport } from '../shared/rpc/session-client.ts';
import { requestToken } from '../shared/rpc/tokens.ts';
import type { SessionTransport } from '../shared/session.ts';
import { version } from '../shared/version.ts';
import { serverUser } from '../shared/well-known.ts';
import { parseSysctlPatterns } from './admission/sysctls.ts';
import { type AgentDeps, createAgent } from './agent.ts';
import { fileCheckpoint } from './checkpoint/checkpoint-files.ts';
import { type Dns, isLoopback, podDns } from './dns.ts';
import { hostResolver } from './host-resolver.ts';
import { readTokenFile } from './node/join-token.ts';
import { machineIds, outwardAddress, systemMachine } from './node/machine.ts';
import type { TokenSource } from './pod/tokens.ts';
import { systemDialers } from './probes/system-dialers.ts';
import { type RuntimeName, runtimes } from './runtime/runtimes.ts';
import { seccompProfiles } from './seccomp-profiles.ts';
import { machineUsage } from './usage/machine.ts';
import type { Mounter } from './volumes/mounter.ts';

export interface AgentOptions {
  /** `host:port` of the control plane's gRPC API. */
  readonly server: string;
  /** Needed until the machine has its certificate. */
  readonly token?: string;
  /** A file with the token, which only its owner may read; read when the token is needed. */
  readonly tokenFile?: string;
  readonly caHash?: string;
  readonly nodeName: string;
  /** IPv4 address by which the other nodes reach this one; absent: the first that is not a loopback. */
  readonly nodeAddress?: string;
  readonly dataDir: string;
  readonly runtime: RuntimeName;
  readonly dockerSocket: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  /** `HOST:PORT` of the metrics; absent: none. */
  readonly metricsListen?: string;
  readonly logLevel: string;
  readonly maxPods?: number;
  /** Kept for the system, out of what pods may have: thousandths of a core, bytes. */
  readonly reserved?: { readonly cpuMillis: number; readonly memoryBytes: number };
  readonly cgroupParent?: string;
  /** The file with the resolver settings that pods inherit; absent: the machine's, behind systemd-resolved. */
  readonly resolvConf?: string;
  /** Sysctls that pods may set beside those that are safe: names, or beginnings that end in `*`. */
  readonly allowedUnsafeSysctls?: readonly string[];
  /** The engine's name of the OCI runtime, when not its default. */
  readonly runtimeName?: string;
}

const defaultMaxPods = 110;
/** For the tokens of some thousand pods. */
const volatileBytes = 16 * 2 ** 20;

/** Runs this machine as a node until aborted. Throws when it cannot start: no certificate and no token, no directory. */
export async function runAgent(options: AgentOptions, signal: AbortSignal): Promise<void> {
  const allowedUnsafeSysctls = parseSysctlPatterns(options.allowedUnsafeSysctls ?? []);
  const log = createLog(options.logLevel, { node: options.nodeName });
  const base = { clock: systemClock, random: systemRandom, log };
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const node = await identityOf(options);
  const hostDns = hostResolver(options.resolvConf);
  if (hostDns().servers.every(isLoopback)) {
    const hint = 'pods get no name server from this node: name a file that has one with --resolv-conf';
    log.warn({ component: 'agent' }, hint);
  }

  const line = new CertifiedLine(options, log);
  const [runtime, checkpoint] = [
    await runtimeOf(options, hostDns, log),
    fileCheckpoint(join(options.dataDir, 'checkpoint'), log),
  ];
  const agent = createAgent({
    ...base,
    ...runtime,
    checkpoint,
    transport: line.transport,
    ...(runtimes[options.runtime].hollow ? {} : { tokens: line.tokens, machineUsage }),
    dialers: systemDialers(base),
    machine: systemMachine(options.dataDir),
    node,
    hostDns,
    seccompProfile: seccompProfiles(join(options.dataDir, 'seccomp')),
    allowedUnsafeSysctls,
  });
  if (options.metricsListen) {
    const { serveMetrics } = await import('./metrics.ts');
    await serveMetrics(options.metricsListen, await agent.metrics('all'), log, signal);
  }
  log.info(
    { component: 'agent', server: options.server, runtime: options.runtime, version: node.version },
    'agent starts',
  );
  const running = new AbortController();
  const both = AbortSignal.any([signal, running.signal]);
  try {
    // The pods of the checkpoint are looked after while the certificate is still being asked for.
    await Promise.all([agent.run(both), line.certify(both)]);
  } finally {
    running.abort();
    line.close();
    await runtime.runtime.close();
    log.info({ component: 'agent' }, 'agent ends');
  }
}

async function identityOf(options: AgentOptions): Promise<AgentDeps['node']> {
  const forbidden = forbiddenNodeLabels(options.labels);
  if (forbidden) {
    throw new Error(
      `unknown 'kubernetes.io' or 'k8s.io' labels specified with --labels: ${forbidden}; see docs/security.md`,
    );
  }
  const address = options.nodeAddress ?? outwardAddress();
  if (!address) throw new Error('this machine has no IPv4 address but its loopback: say --node-address');
  if (!parseIpv4(address)) throw new Error(`--node-address ${JSON.stringify(address)} is not an IPv4 address`);
  return {
    name: options.nodeName,
    address,
    labels: options.labels,
    taints: options.taints ?? [],
    version: `v1.32.0-coracle.${version}`,
    ...(await machineIds()),
    maxPods: options.maxPods ?? defaultMaxPods,
    reserved: options.reserved ?? { cpuMillis: 0, memoryBytes: 0 },
  };
}

/** The chosen runtime, with the network and the volumes of pods that have processes. */
async function runtimeOf(
  options: AgentOptions,
  hostDns: () => Dns,
  log: Log,
): Promise<Pick<AgentDeps, 'runtime' | 'volumes' | 'network' | 'volatile'>> {
  const { hollow, load } = runtimes[options.runtime];
  const deps = { clock: systemClock, random: systemRandom };
  if (hollow) {
    const [{ createRuntime }, { hollowVolumes }] = await Promise.all([load(), import('./volumes/hollow-volumes.ts')]);
    return { runtime: await createRuntime(deps, options), volumes: hollowVolumes };
  }
  const [{ createRuntime }, { RoutedNetwork }, { fileVolumes }, { systemMounter }] = await Promise.all([
    load(),
    import('./network/routed.ts'),
    import('./volumes/file-volumes.ts'),
    import('./volumes/mounter.ts'),
  ]);
  const { dataDir } = options;
  const network = new RoutedNetwork({ log });
  const runtime = await createRuntime({ ...deps, network }, options);
  const volumes = fileVolumes({
    dir: join(dataDir, 'pods'),
    mounter: systemMounter,
    dnsOf: (pod) => podDns(pod, hostDns(), undefined),
  });
  return { runtime, volumes, network, volatile: await volatileStorage(join(dataDir, 'volatile'), systemMounter, log) };
}

/** Where what must not lie on a disk survives the process: a file system in memory of the agent's own. */
async function volatileStorage(dir: string, mounter: Mounter, log: Log): Promise<AgentDeps['volatile']> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  try {
    const mounted = (await mounter.below(dir)).includes(dir);
    if (!mounted) await mounter.tmpfs(dir, { mode: '0700', sizeBytes: volatileBytes });
    return fileCheckpoint(dir, log);
  } catch (error) {
    log.warn(
      { component: 'agent', err: messageOf(error) },
      'no memory file system: tokens of pods end with the process',
    );
    return undefined;
  }
}

/** The way to the control plane under the node's certificate, which it gets, keeps and renews. */
class CertifiedLine {
  readonly #options: AgentOptions;
  readonly #deps;
  #credentials: NodeCredentials | undefined;
  #channel: RpcChannel | undefined;
  #outdated: RpcChannel | undefined;
  /** A session has been dialled on the channel. */
  #dialled = false;

  constructor(options: AgentOptions, log: Log) {
    this.#options = options;
    this.#deps = { clock: systemClock, random: systemRandom, log };
  }

  readonly transport: SessionTransport = {
    connect: (signal) => {
      // The session before has ended, and with it the last use of the certificate before.
      this.#outdated?.close();
      this.#outdated = undefined;
      // Its connection may be one that swallows everything: the next session has a new one.
      if (this.#dialled && this.#credentials) this.#use(this.#credentials);
      this.#dialled = true;
      return this.#over().connect(signal);
    },
    tunnel: (id, signal) => this.#over().tunnel(id, signal),
  };

  readonly tokens: TokenSource = {
    request: (wish, signal) => requestToken(this.#line(), wish, signal),
  };

  /** Gets the certificate if there is none, and renews it until aborted. Throws when the server refuses for good. */
  async certify(signal: AbortSignal): Promise<void> {
    const { server: address, nodeName, tokenFile, caHash, dataDir } = this.#options;
    const token = tokenFile === undefined ? this.#options.token : () => readTokenFile(tokenFile);
    const dir = join(dataDir, 'pki');
    try {
      this.#use(await loadOrJoin(dir, { address, nodeName, token, caHash }, this.#deps, signal));
      const current = this.#credentials;
      if (!current) return;
      await keepRenewed(dir, { address, nodeName }, current, (renewed) => this.#use(renewed), this.#deps, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  close(): void {
    this.#outdated?.close();
    this.#channel?.close();
  }

  #use(credentials: NodeCredentials): void {
    this.#credentials = credentials;
    this.#outdated?.close();
    this.#outdated = this.#channel;
    const { ca, node } = credentials;
    this.#channel = createRpcChannel(
      { address: this.#options.server, tls: { ca, credentials: node, serverUser } },
      this.#deps,
    );
  }

  #over(): SessionTransport {
    return grpcSessionTransport(this.#line());
  }

  #line(): RpcChannel {
    if (!this.#channel) throw new Error('the node has no certificate yet');
    return this.#channel;
  }
}
