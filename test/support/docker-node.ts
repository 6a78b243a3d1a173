import { join } from 'node:path';
import type { PodNetwork } from '../../agent/network/network.ts';
import { RoutedNetwork } from '../../agent/network/routed.ts';
import { DockerRuntime } from '../../agent/runtime/docker/docker.ts';
import { lowestOomScore } from '../../agent/runtime/docker/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import { buildTestImages, startTestDocker, type TestDocker, testImage } from './docker.ts';
import { cidr } from './net.ts';
import { makeNetns, type TestNetns } from './netns.ts';

/** CORACLE_TEST_OCI_RUNTIME=crun runs the suites on crun. */
const ociRuntime = process.env.CORACLE_TEST_OCI_RUNTIME === 'crun' ? 'crun' : undefined;

/** A node of the test's own: a namespace, an engine in it, and the pod network. */
export interface DockerNode {
  readonly netns: TestNetns;
  readonly docker: TestDocker;
  readonly network: RoutedNetwork;
  runtime(more?: { network?: PodNetwork; scope?: string; logMaxSize?: string; logMaxFiles?: number }): DockerRuntime;
  close(): Promise<void>;
}

export async function makeDockerNode(): Promise<DockerNode> {
  const netns = await makeNetns();
  // A node has an address of its own, to speak to its pods from.
  await netns.run('ip', 'address', 'replace', '192.168.77.1/32', 'dev', 'lo');
  const docker = await startTestDocker({ netns: netns.path, ociRuntime });
  await buildTestImages(docker.socket);
  const made: DockerRuntime[] = [];
  const network = new RoutedNetwork({ log: silentLog }, { netns: netns.path });
  await network.setup({ podCIDR: cidr('10.91.0.0/16') });
  const minOomScoreAdj = await lowestOomScore();
  return {
    netns,
    docker,
    network,
    runtime({ network: own = network, ...more } = {}) {
      const runtime = new DockerRuntime(
        { clock: systemClock, network: own },
        { socketPath: docker.socket, stateDir: join(docker.directory, 'agent'), minOomScoreAdj, ...more },
      );
      made.push(runtime);
      return runtime;
    },
    async close() {
      await Promise.all(made.map((each) => each.close()));
      await docker.stop();
      await netns.remove();
    },
  };
}

export function shell(script: string): { image: string; command: string[] } {
  return { image: testImage, command: ['/bin/sh', '-c', script] };
}

export const forever = shell('trap "exit 0" TERM; sleep 1000 & wait');
