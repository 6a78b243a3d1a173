import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { systemClock } from '../shared/clock.ts';
import { createLog, type Log } from '../shared/log.ts';
import { systemRandom } from '../shared/random.ts';
import { parseSysctlPatterns } from './admission/sysctls.ts';
import { type AgentDeps, createAgent } from './agent.ts';
import { fileCheckpoint } from './checkpoint/checkpoint-files.ts';
import { memoryFiles } from './checkpoint/memory-files.ts';
import { hostResolver } from './dns/host-resolver.ts';
import { type Dns, isLoopback, podDns } from './dns/pod-dns.ts';
import { seccompProfiles } from './host/seccomp-profiles.ts';
import { serveMetrics } from './metrics.ts';
import { nodeIdentity } from './node/identity.ts';
import { systemMachine } from './node/machine.ts';
import type { AgentOptions } from './options.ts';
import { systemDialers } from './probes/system-dialers.ts';
import { runtimes } from './runtime/runtimes.ts';
import { ControlPlaneClient } from './session/control-plane-client.ts';
import { machineUsage } from './usage/machine.ts';
import { localVolumes } from './volumes/local-volumes.ts';

const base = { clock: systemClock, random: systemRandom };

/** Runs this machine as a node until aborted. Throws when it cannot start: no certificate and no token, no directory. */
export async function runAgent(options: AgentOptions, signal: AbortSignal): Promise<void> {
  const { dataDir } = options;
  const allowedUnsafeSysctls = parseSysctlPatterns(options.allowedUnsafeSysctls ?? []);
  const log = createLog(options.logLevel, { node: options.nodeName });
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const node = await nodeIdentity(options);
  const hostDns = hostResolver(options.resolvConf);
  if (hostDns().servers.every(isLoopback)) {
    const hint = 'pods get no name server from this node: name a file that has one with --resolv-conf';
    log.warn({ component: 'agent' }, hint);
  }

  const client = new ControlPlaneClient(options, { ...base, log });
  const local = await localDeps(options, hostDns, log);
  const agent = createAgent({
    ...base,
    ...local,
    log,
    checkpoint: fileCheckpoint(join(dataDir, 'checkpoint'), log),
    transport: client.transport,
    ...(runtimes[options.runtime].hollow ? {} : { tokens: client.tokens, machineUsage }),
    dialers: systemDialers(base),
    machine: systemMachine(dataDir),
    node,
    hostDns,
    seccompProfile: seccompProfiles(join(dataDir, 'seccomp')),
    allowedUnsafeSysctls,
  });
  if (options.metricsListen) {
    await serveMetrics(options.metricsListen, await agent.metrics('all'), log, signal);
  }
  const { server, runtime } = options;
  log.info({ component: 'agent', server, runtime, version: node.version }, 'agent starts');
  const running = new AbortController();
  const both = AbortSignal.any([signal, running.signal]);
  try {
    // The pods of the checkpoint are run while the certificate is still being requested.
    await Promise.all([agent.run(both), client.keepCertified(both)]);
  } finally {
    running.abort();
    client.close();
    await local.runtime.close();
    log.info({ component: 'agent' }, 'agent ends');
  }
}

/** The chosen runtime, with the network and the volumes of pods that have processes. */
async function localDeps(
  options: AgentOptions,
  hostDns: () => Dns,
  log: Log,
): Promise<Pick<AgentDeps, 'runtime' | 'volumes' | 'network' | 'volatile' | 'localVolumes'>> {
  const { hollow, load } = runtimes[options.runtime];
  if (hollow) {
    const [{ createRuntime }, { hollowVolumes }] = await Promise.all([load(), import('./volumes/hollow-volumes.ts')]);
    return { runtime: await createRuntime(base, options), volumes: hollowVolumes };
  }
  const [{ createRuntime }, { RoutedNetwork }, { fileVolumes }, { systemMounter }] = await Promise.all([
    load(),
    import('./network/routed.ts'),
    import('./volumes/file-volumes.ts'),
    import('./volumes/mounter.ts'),
  ]);
  const { dataDir } = options;
  const localRoot = resolve(dataDir, 'local-volumes');
  const network = new RoutedNetwork({ log });
  const runtime = await createRuntime({ ...base, network }, options);
  const volumes = fileVolumes({
    dir: join(dataDir, 'pods'),
    mounter: systemMounter,
    localRoot,
    dnsOf: (pod) => podDns(pod, hostDns(), undefined),
  });
  const directories = localVolumes(localRoot, systemMounter);
  return {
    runtime,
    volumes,
    localVolumes: directories,
    network,
    volatile: await memoryFiles(join(dataDir, 'volatile'), systemMounter, log),
  };
}
