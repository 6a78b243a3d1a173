import Docker from 'dockerode';
import { testImage } from '../../support/docker.ts';
import { forever, makeDockerNode, shell } from '../../support/docker-node.ts';
import type { RuntimeSubject } from './subject.ts';

export async function dockerSubject(): Promise<RuntimeSubject> {
  const node = await makeDockerNode();
  return {
    runtime: node.runtime(),
    again: () => node.runtime(),
    does: {
      run: forever,
      stubborn: shell('trap "" TERM; while true; do sleep 1; done'),
      exit: (code) => shell(`exit ${code}`),
      endWith: (code) => shell(`trap "exit ${code}" TERM; sleep 1000 & wait`),
      oom: { ...shell('exec tail /dev/zero'), resources: { memoryLimitBytes: 16 * 2 ** 20 } },
      print: (lines) => shell(`printf '%s\\n' ${lines.join(' ')}; trap "exit 0" TERM; sleep 1000 & wait`),
      refused: { image: testImage, command: ['no-such-program'] },
    },
    exec: { succeed: ['true'], fail: (code) => ['sh', '-c', `exit ${code}`] },
    streams: {
      echo: (word) => ['echo', word],
      cat: ['cat'],
      hang: ['sleep', '1000'],
      echoServer: shell('trap "exit 0" TERM; nc -ll -p 7 -e cat & wait'),
    },
    kill: (id) => new Docker({ socketPath: node.docker.socket }).getContainer(id).kill(),
    resourcesOf: async (id) => {
      const { HostConfig } = await new Docker({ socketPath: node.docker.socket }).getContainer(id).inspect();
      const { CpuShares, CpuQuota, Memory } = HostConfig;
      const quota = CpuQuota && CpuQuota > 0 ? { cpuLimitMillis: CpuQuota / 100 } : {};
      return { cpuShares: CpuShares, ...quota, memoryLimitBytes: Memory };
    },
    missingImage: '127.0.0.1:1/missing:1',
    close: () => node.close(),
  };
}
