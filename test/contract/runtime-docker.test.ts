import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PodNetwork } from '../../agent/network/network.ts';
import type { DockerRuntime } from '../../agent/runtime/docker/docker.ts';
import { isConfined } from '../../agent/runtime/docker/sandbox-status.ts';
import type { ContainerSpec, LogOptions, SandboxSpec } from '../../agent/runtime/runtime.ts';
import { randomInt, seededRandom } from '../../shared/random.ts';
import { dockerMissing, testImage } from '../support/docker.ts';
import { type DockerNode, forever, makeDockerNode, shell } from '../support/docker-node.ts';
import { eventually } from '../support/eventually.ts';
import { containerOf, exited, runPod, sandboxOf } from './runtime/subject.ts';

const missing = await dockerMissing();
const options = { timeoutMs: 10_000, maxBytes: 100_000 };

describe.skipIf(missing)('pods on Docker', () => {
  let node: DockerNode;
  let runtime: DockerRuntime;

  beforeAll(async () => {
    node = await makeDockerNode();
    runtime = node.runtime();
  });

  afterAll(async () => {
    await node?.close();
  });

  const sh = async (id: string, script: string) =>
    (await runtime.exec(id, ['sh', '-c', script], options)).output.trim();

  const add = async (spec: SandboxSpec, sandboxId: string, more: Partial<ContainerSpec>) => {
    const id = await runtime.createContainer(sandboxId, containerOf(spec, forever, more));
    await runtime.startContainer(id);
    return id;
  };

  test('containers of a pod share its address, its loopback and its ipc, and nothing else', async () => {
    const { spec, sandbox, id } = await runPod(runtime, forever, 'shared');
    const other = await add(spec, sandbox.id, { name: 'other', ...shell('httpd -f -p 80 -h /home') });
    await eventually(async () => (await sh(id, 'wget -qO- http://127.0.0.1/ 2>&1; true')).includes('404'));
    await sh(id, 'echo shared > /dev/shm/file; echo own > /tmp/file');
    expect(await sh(other, 'cat /dev/shm/file; cat /tmp/file 2>&1')).toMatch(/^shared\ncat: can't open/);
    const namespaces = async (each: string) => {
      const lines = (await sh(each, 'for n in net ipc pid mnt uts; do readlink /proc/self/ns/$n; done')).split('\n');
      return Object.fromEntries(lines.map((line) => line.split(':') as [string, string]));
    };
    const [mine, theirs] = [await namespaces(id), await namespaces(other)];
    expect([mine.net, mine.ipc]).toEqual([theirs.net, theirs.ipc]);
    expect([mine.pid, mine.mnt]).not.toEqual([theirs.pid, theirs.mnt]);
    const address = spec.address ?? '';
    expect(await sh(id, 'ip -4 addr show dev eth0')).toContain(address);
    expect(await node.netns.run('/bin/busybox', 'ping', '-c', '1', '-W', '5', address)).toContain('1 packets received');
  });

  test('a pod knows its name, its address and its name servers', async () => {
    const { spec, id } = await runPod(runtime, forever, 'names');
    expect(await sh(id, 'hostname; cat /etc/hostname; echo $HOSTNAME')).toBe('names\nnames\nnames');
    expect(await sh(id, 'cat /etc/hosts')).toContain(`${spec.address}\tnames`);
    expect(await sh(id, 'cat /etc/resolv.conf')).toBe(
      'search default.svc.cluster.local\nnameserver 10.0.0.10\noptions ndots:5',
    );
  });

  test('a resize reaches the cgroup of the processes that run', async () => {
    const { id } = await runPod(runtime, forever, 'resize', { resources: { memoryLimitBytes: 64 * 2 ** 20 } });
    const limit = () =>
      sh(id, 'cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes');
    expect(await limit()).toBe(String(64 * 2 ** 20));
    await runtime.updateContainer(id, { cpuShares: 100, memoryLimitBytes: 128 * 2 ** 20 });
    expect(await limit()).toBe(String(128 * 2 ** 20));
  });

  test('a container brings its own hosts file when it mounts one', async () => {
    const source = join(node.docker.directory, 'hosts');
    await writeFile(source, '10.9.8.7 mine\n');
    const mounts = [{ source, target: '/etc/hosts', readOnly: true }];
    const { id } = await runPod(runtime, forever, 'own-hosts', { mounts });
    expect(await sh(id, 'cat /etc/hosts')).toBe('10.9.8.7 mine');
  });

  test('processes are shared when the pod asks for it, and the sandbox buries the dead', async () => {
    const spec = sandboxOf('processes', { shareProcessNamespace: true });
    const sandbox = await runtime.createSandbox(spec);
    const id = await add(spec, sandbox.id, {});
    const other = await add(spec, sandbox.id, { name: 'other', ...shell('sleep 4242') });
    expect(await sh(id, 'ps -o args')).toMatch(/sleep 4242/);
    await runtime.stopContainer(other, 0);
    // An orphan is the sandbox's: it must not stay as a zombie.
    await sh(id, '(sleep 0.1 &) ; true');
    await eventually(async () => !/\[sleep\]| Z /.test(await sh(id, 'ps -o stat,args')));
  });

  test('a container that shares processes finds nothing to take in the sandbox, and cannot trace it', async () => {
    const spec = sandboxOf('traced', { shareProcessNamespace: true });
    const sandbox = await runtime.createSandbox(spec);
    for (const user of ['0', '65535']) {
      const id = await add(spec, sandbox.id, { name: `by-${user}`, user });
      const status = await sh(id, 'cat /proc/1/status');
      expect(status).toMatch(/^Name:\s+sandbox$/m);
      expect(isConfined(status)).toBe(true);
      // To open these one must be allowed to trace the process.
      for (const file of ['mem', 'environ', 'root/', 'cwd/', 'ns/net']) {
        expect(await sh(id, `ls /proc/1/${file} && head -c 1 /proc/1/${file}; true`)).toMatch(/denied/);
      }
    }
  });

  test.each([
    ['of the host’s network', { hostNetwork: true, address: undefined }],
    ['of the host’s processes', { hostPID: true }],
    ['of the host’s ipc', { hostIPC: true }],
  ])('a sandbox %s is confined before its containers start', async (_what, more) => {
    const spec = sandboxOf('confined', more as Partial<SandboxSpec>);
    const sandbox = await runtime.createSandbox(spec);
    const { State } = await new Docker({ socketPath: node.docker.socket }).getContainer(sandbox.id).inspect();
    expect(isConfined(await readFile(`/proc/${State.Pid}/status`, 'utf8'))).toBe(true);
    await add(spec, sandbox.id, {});
    await runtime.removeSandbox(sandbox.id);
  });

  test('an image says who its processes are, and which accounts it has', async () => {
    const engine = new Docker({ socketPath: node.docker.socket });
    const base = await engine.createContainer({ Image: testImage });
    await base.commit({ repo: 'coracle-test/user', tag: '1', changes: 'USER app' });
    await base.remove();
    const image = 'coracle-test/user:1';
    expect((await runtime.imageStatus(testImage))?.user).toBe('');
    expect((await runtime.imageStatus(image))?.user).toBe('app');
    const many = await Promise.all([runtime.imageAccounts(image), runtime.imageAccounts(image)]);
    for (const { passwd, group } of many) {
      expect(passwd).toContain('app:x:1000:1001:');
      expect(group).toContain('media:x:4000:nobody,app\n');
    }
    await expect(runtime.imageAccounts('coracle-test/none:1')).rejects.toMatchObject({ code: 'ImageNotFound' });
    const all = await engine.listContainers({ all: true });
    expect(all.filter(({ Names }) => Names.some((name) => name.includes('accounts')))).toEqual([]);
    // What an agent that died has left of such a look goes at the next one's first list.
    const labels = { 'coracle.scope': 'coracle', 'coracle.role': 'scratch' };
    const left = await engine.createContainer({ Image: testImage, Labels: labels });
    await node.runtime().list();
    await expect(left.inspect()).rejects.toMatchObject({ statusCode: 404 });
  });

  test('a container is made of the very image that was looked at', async () => {
    const { id: imageId = '' } = (await runtime.imageStatus(testImage)) ?? {};
    const { id } = await runPod(runtime, forever, 'image-id', { image: 'coracle-test/moved:1', imageId });
    expect(await runtime.inspectContainer(id)).toMatchObject({ image: 'coracle-test/moved:1', imageId });
  });

  test('mounts, environment, directory and arguments are those of the spec', async () => {
    const source = join(node.docker.directory, 'volume');
    await mkdir(join(source, 'sub'), { recursive: true });
    await writeFile(join(source, 'file'), 'from the node');
    const { id } = await runPod(runtime, forever, 'mounted', {
      args: ['ignored', 'argument'],
      command: ['/bin/sh', '-c', 'echo "$0 $1" > /w/sub/args; sleep 1000'],
      env: [
        { name: 'PLAIN', value: 'a b' },
        { name: 'ODD', value: 'x=y\n"z"' },
      ],
      workingDir: '/home',
      mounts: [
        { source, target: '/w', readOnly: false },
        { source, target: '/r', readOnly: true },
      ],
    });
    expect(await sh(id, 'cat /w/file; pwd; printf %s "$PLAIN|$ODD"')).toBe('from the node/home\na b|x=y\n"z"');
    expect(await sh(id, '{ echo no > /r/file; } 2>&1; echo yes > /w/new; cat /r/new')).toMatch(
      /Read-only file system\nyes$/,
    );
    expect(await readFile(join(source, 'sub/args'), 'utf8')).toBe('ignored argument\n');
  });

  test('a container that takes more memory than its limit ends as OOMKilled', async () => {
    const { id } = await runPod(runtime, shell('head -c 200m /dev/zero | tail | wc -c; exit 9'), 'oom', {
      resources: { memoryLimitBytes: 16 * 2 ** 20 },
    });
    expect(await exited(runtime, id)).toMatchObject({ reason: 'OOMKilled' });
  });

  test('limits become the values of its control groups', async () => {
    const { id } = await runPod(runtime, forever, 'limits', {
      resources: { cpuShares: 512, cpuLimitMillis: 250, memoryLimitBytes: 64 * 2 ** 20, oomScoreAdj: 900 },
    });
    const info = await new Docker({ socketPath: node.docker.socket }).getContainer(id).inspect();
    const group = await readFile(`/proc/${info.State.Pid}/cgroup`, 'utf8');
    const value = async (controller: string, file: string) => {
      const [, path] = new RegExp(`:(?:[a-z,]*,)?${controller}(?:,[a-z,]*)?:(.*)`).exec(group) ?? [];
      return (await readFile(`/sys/fs/cgroup/${controller}${path}/${file}`, 'utf8')).trim();
    };
    if (/^0::/m.test(group) && !/memory/.test(group)) return;
    expect(await value('cpu', 'cpu.shares')).toBe('512');
    expect(await value('cpu', 'cpu.cfs_quota_us')).toBe('25000');
    expect(await value('memory', 'memory.limit_in_bytes')).toBe(String(64 * 2 ** 20));
    expect(await sh(id, 'cat /proc/1/oom_score_adj')).toBe('900');
  });

  test('security settings hold: user, groups, capabilities, read-only root, no new privileges', async () => {
    const { spec, sandbox, id } = await runPod(runtime, forever, 'secure', {
      user: '1000:2000',
      supplementalGroups: [3000],
      capabilities: { add: [], drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      noNewPrivileges: true,
    });
    expect(await sh(id, 'id -u; id -g; id -G')).toBe('1000\n2000\n2000 3000');
    expect(await sh(id, 'touch /file 2>&1')).toContain('Read-only file system');
    expect(await sh(id, 'grep -E "CapBnd|NoNewPrivs" /proc/1/status')).toMatch(/CapBnd:\s0{16}\nNoNewPrivs:\s1/);
    const netadmin = await add(spec, sandbox.id, { name: 'net', capabilities: { add: ['NET_ADMIN'], drop: [] } });
    expect(await sh(netadmin, 'ip link set lo down && ip link set lo up && echo may')).toBe('may');
  });

  test('sysctls are the pod’s own, and no privilege is needed for low ports', async () => {
    const sysctls = { 'net.core.somaxconn': '1234', 'kernel.shm_rmid_forced': '1' };
    const spec = sandboxOf('sysctls', { sysctls });
    const sandbox = await runtime.createSandbox(spec);
    const id = await add(spec, sandbox.id, { user: '1000' });
    expect(await sh(id, 'cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shm_rmid_forced')).toBe('1234\n1');
    expect(await sh(id, 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start')).toBe('0');
  });

  test('a pod on the node’s network has its addresses, and no namespace of its own', async () => {
    const spec = sandboxOf('host', { hostNetwork: true, address: undefined });
    const sandbox = await runtime.createSandbox(spec);
    expect(sandbox).toMatchObject({ running: true });
    const id = await add(spec, sandbox.id, {});
    const { stdout } = await promisify(execFile)('nsenter', [
      `--net=${node.netns.path}`,
      'readlink',
      '/proc/self/ns/net',
    ]);
    expect(await sh(id, 'readlink /proc/self/ns/net')).toBe(stdout.trim());
    await runtime.removeSandbox(sandbox.id);
  });

  test('host ports lead to the pod', async () => {
    const hostPorts = [{ hostIP: '', hostPort: 8088, containerPort: 80, protocol: 'TCP' as const }];
    const spec = sandboxOf('host-ports', { hostPorts });
    const sandbox = await runtime.createSandbox(spec);
    await add(spec, sandbox.id, shell('while true; do echo pod | nc -l -p 80; done'));
    await eventually(async () => (await node.netns.run('/bin/busybox', 'nc', '192.168.77.1', '8088')) === 'pod\n');
  });

  test('a log is read once and in order while the engine rotates it', async () => {
    const small = node.runtime({ logMaxSize: '1m', logMaxFiles: 3 });
    const numbers =
      'i=0; while [ $i -lt 40 ]; do seq $((i * 1000)) $((i * 1000 + 999)); i=$((i + 1)); usleep 50000; done';
    const { id } = await runPod(small, shell(`${numbers}; trap "exit 0" TERM; sleep 1000 & wait`), 'rotated');
    const read = async (more: Partial<LogOptions>, signal = new AbortController().signal): Promise<number[]> => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of small.logs(id, { follow: false, timestamps: false, ...more }, signal))
        chunks.push(chunk);
      return Buffer.concat(chunks).toString().trimEnd().split('\n').map(Number);
    };
    const from = (first: number, end = 40_000): number[] => Array.from({ length: end - first }, (_, i) => first + i);
    const followed = read({ follow: true });
    // Read again and again while it is written: each time a part without gaps.
    for (let last = 0; last < 39_999; ) {
      const now = await read({});
      last = now.at(-1) ?? 0;
      expect(now).toEqual(from(now[0] ?? 0, last + 1));
    }
    expect(await read({ tail: 20_000 })).toEqual(from(20_000));
    await small.stopContainer(id, 5);
    expect(await followed).toEqual(from(0));
    expect((await read({}))[0]).toBeGreaterThan(0);
  });

  test('a command that outlives its time is killed, and its output is cut', async () => {
    const { id } = await runPod(runtime, forever, 'commands');
    const late = runtime.exec(id, ['sleep', '4343'], { timeoutMs: 300, maxBytes: 100 });
    await expect(late).rejects.toMatchObject({ code: 'Timeout' });
    await eventually(async () => !(await sh(id, 'ps -o args')).includes('sleep 4343'));
    const long = await runtime.exec(id, ['sh', '-c', 'yes | head -c 1000000; exit 7'], { ...options, maxBytes: 500 });
    expect(long.exitCode).toBe(7);
    expect(long.output).toHaveLength(500);
    const none = await runtime.exec(id, ['no-such-program'], options);
    expect(none.exitCode).toBeGreaterThan(0);
    expect(none.output).toMatch(/executable file/);
  });

  test('a pod that was cut while it was made shows as not running, and is finished or removed by the next agent', async () => {
    const broken: PodNetwork = Object.assign(Object.create(node.network) as PodNetwork, {
      attach: () => Promise.reject(new Error('cut')),
      attached: node.network.attached.bind(node.network),
    });
    const cut = node.runtime({ network: broken });
    const state = async (spec: SandboxSpec) =>
      (await node.runtime().list()).sandboxes.find((each) => each.pod.uid === spec.pod.uid);
    const [finished, removed] = [sandboxOf('cut-finished'), sandboxOf('cut-removed')];
    for (const spec of [finished, removed]) {
      await expect(cut.createSandbox(spec)).rejects.toMatchObject({ code: 'Unavailable' });
      expect(await state(spec)).toMatchObject({ running: false });
    }
    expect(await runtime.createSandbox(finished)).toMatchObject({ running: true });
    expect(await state(finished)).toMatchObject({ running: true });
    await runtime.removeSandbox((await state(removed))?.id ?? '');
    expect(await state(removed)).toBeUndefined();
  });

  test('work that is cut at any instant leaves only what the next agent finds and can finish or remove', async () => {
    const random = seededRandom(7);
    const specs: SandboxSpec[] = [];
    for (let i = 0; i < 12; i++) {
      const spec = sandboxOf(`cut-${i}`);
      specs.push(spec);
      const agent = node.runtime();
      const cut = new AbortController();
      const work = (async () => {
        const sandbox = await agent.createSandbox(spec, cut.signal);
        const id = await agent.createContainer(sandbox.id, containerOf(spec, forever), cut.signal);
        await agent.startContainer(id, cut.signal);
        await agent.removeSandbox(sandbox.id, cut.signal);
      })();
      await new Promise((resolve) => setTimeout(resolve, randomInt(random, 700)));
      cut.abort();
      await work.catch(() => undefined);
    }
    const next = node.runtime();
    for (const [i, spec] of specs.entries()) {
      if (i % 2 === 0) {
        const sandbox = await next.createSandbox(spec);
        const id = await next.createContainer(sandbox.id, containerOf(spec, forever));
        await next.startContainer(id);
        expect((await next.list()).containers.filter((each) => each.pod.uid === spec.pod.uid)).toMatchObject([
          { id, state: 'running' },
        ]);
      }
      for (const { id, pod } of (await next.list()).sandboxes)
        if (pod.uid === spec.pod.uid) await next.removeSandbox(id);
    }
    const uids = new Set(specs.map((spec) => spec.pod.uid));
    // A request that was cut may still be under way in the engine.
    await eventually(async () => {
      const { sandboxes, containers } = await next.list();
      for (const { id, pod } of sandboxes) if (uids.has(pod.uid)) await next.removeSandbox(id);
      return ![...sandboxes, ...containers].some(({ pod }) => uids.has(pod.uid));
    });
    const { stdout } = await promisify(execFile)('find', [join(node.docker.directory, 'agent')]);
    const routes = await node.netns.run('ip', 'route');
    for (const { pod, address } of specs) {
      expect(stdout).not.toContain(pod.uid);
      expect(routes).not.toContain(`${address} `);
    }
  });

  test('making a pod that is whole once more does not touch its connections', async () => {
    const { spec, id } = await runPod(runtime, forever, 'untouched');
    const before = await sh(id, 'cat /sys/class/net/eth0/ifindex /sys/class/net/eth0/address');
    await node.runtime().createSandbox(spec);
    expect(await sh(id, 'cat /sys/class/net/eth0/ifindex /sys/class/net/eth0/address')).toBe(before);
  });

  test('a sandbox that is removed leaves nothing on the node', async () => {
    const { spec, sandbox } = await runPod(runtime, forever, 'leftover');
    await runtime.removeSandbox(sandbox.id);
    const { stdout } = await promisify(execFile)('find', [join(node.docker.directory, 'agent')]);
    expect(stdout).not.toContain(spec.pod.uid);
    expect(await node.netns.run('ip', 'route')).not.toContain(spec.address);
  });

  test('agents of different scopes on one engine do not see each other', async () => {
    const other = node.runtime({ scope: 'other' });
    const { sandbox } = await runPod(other, forever, 'scoped');
    expect((await runtime.list()).sandboxes.map((each) => each.id)).not.toContain(sandbox.id);
    expect((await other.list()).sandboxes.map((each) => each.id)).toEqual([sandbox.id]);
    await other.removeSandbox(sandbox.id);
  });

  test('a sandbox costs next to nothing, keeps no capability, and ends on its signal', async () => {
    const sandbox = await runtime.createSandbox(sandboxOf('idle'));
    const container = new Docker({ socketPath: node.docker.socket }).getContainer(sandbox.id);
    const pid = (await container.inspect()).State.Pid;
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    expect(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1])).toBeLessThan(100);
    expect(status).toMatch(/^CapEff:\s+0+$/m);
    const ticks = async () => (await readFile(`/proc/${pid}/stat`, 'utf8')).split(' ').slice(13, 15).map(Number);
    const before = await ticks();
    await runPod(runtime, forever, 'meanwhile');
    expect(await ticks()).toEqual(before);
    const begin = performance.now();
    await container.stop({ t: 30 });
    expect(performance.now() - begin).toBeLessThan(10_000);
    expect((await container.inspect()).State.ExitCode).toBe(0);
  });
});
