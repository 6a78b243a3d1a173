import { describe, expect, it } from 'vitest';
import type { Container, PodSpec } from '../../../shared/generated/types.ts';
import { container, makePod } from '../../../test/support/hollow-agent.ts';
import { podFacts, podInputs } from '../../../test/support/pod-inputs.ts';
import { cgroupResources, containerSpec } from './container-spec.ts';
import { hostnameOf } from './hostname.ts';
import { sandboxSpec } from './sandbox-spec.ts';

const dns = { servers: [], searches: [], options: [] };
const sandboxOf = (spec: Partial<PodSpec>, address: string | undefined = '10.64.0.9') =>
  sandboxSpec(makePod('web', spec), 0, address, dns);
const mib = 2 ** 20;

describe('the host name of a pod', () => {
  const hostname = (spec: Partial<PodSpec>) => sandboxOf(spec).hostname;

  it('is its own, and its full name where it asks for that', () => {
    expect(hostname({})).toBe('web');
    expect(hostname({ hostname: 'a', subdomain: 'b' })).toBe('a');
    expect(hostname({ hostname: 'a', subdomain: 'b', setHostnameAsFQDN: true })).toBe('a.b.default.svc.cluster.local');
    expect(hostname({ setHostnameAsFQDN: true })).toBe('web');
    expect(hostname({ subdomain: 'b', setHostnameAsFQDN: true, hostNetwork: true })).toBe('web');
  });

  it('is refused when its full name has more than the 64 characters of the kernel', () => {
    // `web.` and `.default.svc.cluster.local` have 30 characters.
    const full = (length: number) => ({ subdomain: 'b'.repeat(length - 30), setHostnameAsFQDN: true });
    expect(hostname(full(64))).toHaveLength(64);
    expect(() => hostname(full(65))).toThrow('is too long (64 characters is the max, 65 characters requested)');
  });

  it('is cut to 63 characters, and ends in none that a name may not end in', () => {
    expect(hostnameOf(makePod('a'.repeat(70)))).toBe('a'.repeat(63));
    expect(hostnameOf(makePod(`${'a'.repeat(60)}.-.b`))).toBe('a'.repeat(60));
    expect(hostnameOf(makePod('a-b.c'))).toBe('a-b.c');
  });
});

describe('the sandbox of a pod', () => {
  it('has the namespaces of its own, unless the pod shares the node’s', () => {
    expect(sandboxOf({})).toMatchObject({
      hostNetwork: false,
      hostPID: false,
      hostIPC: false,
      shareProcessNamespace: false,
      address: '10.64.0.9',
    });
    expect(sandboxOf({ hostPID: true, hostIPC: true, shareProcessNamespace: true })).toMatchObject({
      hostNetwork: false,
      hostPID: true,
      hostIPC: true,
      shareProcessNamespace: true,
    });
  });

  it('has no address and no ports of its own on the node’s network', () => {
    const containers = [container('app', { ports: [{ containerPort: 80, hostPort: 80 }] })];
    const spec = sandboxOf({ hostNetwork: true, containers });
    expect(spec).toMatchObject({ hostNetwork: true, hostPorts: [] });
    expect(spec).not.toHaveProperty('address');
    expect(sandboxSpec(makePod('web'), 0, undefined, dns)).not.toHaveProperty('address');
  });

  it('opens the host ports of all containers, and no others', () => {
    const spec = sandboxOf({
      initContainers: [container('side', { restartPolicy: 'Always', ports: [{ containerPort: 9, hostPort: 9009 }] })],
      containers: [
        container('app', {
          ports: [
            { containerPort: 80, hostPort: 8080, hostIP: '192.0.2.1', protocol: 'UDP' },
            { containerPort: 81 },
            { containerPort: 82, hostPort: 0 },
          ],
        }),
        container('none'),
      ],
    });
    expect(spec.hostPorts).toEqual([
      { hostIP: '', hostPort: 9009, containerPort: 9, protocol: 'TCP' },
      { hostIP: '192.0.2.1', hostPort: 8080, containerPort: 80, protocol: 'UDP' },
    ]);
  });

  it('has the sysctls of the pod', () => {
    const sysctls = [
      { name: 'net.core.somaxconn', value: '1' },
      { name: 'kernel.sem', value: '2' },
    ];
    expect(sandboxOf({ securityContext: { sysctls } }).sysctls).toEqual({
      'net.core.somaxconn': '1',
      'kernel.sem': '2',
    });
    expect(sandboxOf({}).sysctls).toEqual({});
  });
});

describe('what the runtime is to make of a container', () => {
  const of = (more: Partial<Container>, annotations?: Record<string, string>) => {
    const spec = container('app', more);
    const pod = makePod('web', { containers: [spec] }, annotations ? { annotations } : {});
    const runAs = { user: '7:8', supplementalGroups: [9] };
    const environment = { pod, inputs: podInputs(), facts: podFacts };
    return containerSpec(environment, spec, { attempt: 3, mounts: [], runAs, memoryCapacity: 1000 * mib });
  };

  it('is nothing but a process with the least rights by default', () => {
    const { labels, resources, ...spec } = of({});
    expect(spec).toEqual({
      pod: { namespace: 'default', name: 'web', uid: 'uid-web' },
      name: 'app',
      attempt: 3,
      image: 'example/app:1',
      env: [],
      mounts: [],
      tty: false,
      stdin: false,
      stdinOnce: false,
      user: '7:8',
      supplementalGroups: [9],
      privileged: false,
      readOnlyRootFilesystem: false,
      capabilities: { add: [], drop: [] },
      noNewPrivileges: false,
    });
    expect(resources).toEqual({ cpuShares: 2, oomScoreAdj: 1000 });
    expect(Object.keys(labels)).not.toContain('coracle.fake');
  });

  it('has all that its spec sets', () => {
    const securityContext = {
      privileged: true,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
    };
    const made = of({ tty: true, stdin: true, stdinOnce: true, workingDir: '/srv', securityContext });
    expect(made).toMatchObject({
      tty: true,
      stdin: true,
      stdinOnce: true,
      workingDir: '/srv',
      privileged: true,
      readOnlyRootFilesystem: true,
      noNewPrivileges: true,
      capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
    });
    expect(of({ securityContext: { allowPrivilegeEscalation: true } }).noNewPrivileges).toBe(false);
    expect(of({ securityContext: { capabilities: {} } }).capabilities).toEqual({ add: [], drop: [] });
  });

  it('expands its variables in the command and the arguments, which leave the image’s own where they are empty', () => {
    const env = [{ name: 'A', value: 'a' }];
    expect(of({ env, command: ['run', '$(A)'], args: ['$(A)', '$$(A)', '$(B)'] })).toMatchObject({
      command: ['run', 'a'],
      args: ['a', '$(A)', '$(B)'],
    });
    const empty = of({ command: [], args: [], workingDir: '' });
    for (const key of ['command', 'args', 'workingDir']) expect(empty).not.toHaveProperty(key);
  });

  it('hands on to a hollow runtime how the container behaves', () => {
    expect(of({}, { 'coracle.fake': 'fake.exit=3' }).labels['coracle.fake']).toBe('fake.exit=3');
    expect(of({}, { other: 'x' }).labels).not.toHaveProperty('coracle.fake');
  });
});

describe('the control group of a container', () => {
  const of = (resources: Container['resources'], spec: Partial<PodSpec> = {}, capacity = 1000 * mib) => {
    const one = container('app', { resources });
    return cgroupResources(makePod('web', { containers: [one], ...spec }), one, capacity);
  };

  // Kubernetes, "How Pods with resource limits are run": 1024 shares a core, of the request, from 2 to 262144.
  it.each([
    [{}, 2],
    [{ requests: { cpu: '1m' } }, 2],
    [{ requests: { cpu: '3m' } }, 3],
    [{ requests: { cpu: '100m' } }, 102],
    [{ requests: { cpu: '1' } }, 1024],
    [{ requests: { cpu: '1500m' }, limits: { cpu: '2' } }, 1536],
    [{ limits: { cpu: '2' } }, 2048],
    [{ requests: { cpu: '0' }, limits: { cpu: '2' } }, 2],
    [{ requests: { cpu: '300' } }, 262_144],
  ])('has its share of the processor for %j: %d', (resources, shares) => {
    expect(of(resources).cpuShares).toBe(shares);
  });

  it('is limited in what has a limit', () => {
    expect(of({ limits: { cpu: '250m' } })).toMatchObject({ cpuLimitMillis: 250 });
    expect(of({ limits: { cpu: '250m' } })).not.toHaveProperty('memoryLimitBytes');
    expect(of({ limits: { memory: '64Mi' } })).toMatchObject({ memoryLimitBytes: 64 * mib });
    expect(of({ limits: { memory: '64Mi' } })).not.toHaveProperty('cpuLimitMillis');
    expect(of({ requests: { cpu: '1', memory: '1Gi' } })).not.toHaveProperty('memoryLimitBytes');
    expect(of({ requests: { cpu: '1', memory: '1Gi' } })).not.toHaveProperty('cpuLimitMillis');
  });

  // Kubernetes, "Node out of memory behavior".
  it('is killed for want of memory the later the more memory it asks for', () => {
    const whole = { cpu: '1', memory: '500Mi' };
    const score = (...args: Parameters<typeof of>) => of(...args).oomScoreAdj;
    expect(score({})).toBe(1000);
    expect(score({ requests: whole, limits: whole })).toBe(-997);
    expect(score({ requests: { cpu: '1' } })).toBe(999);
    expect(score({ requests: { memory: '1Mi' } })).toBe(999);
    expect(score({ requests: { memory: '100Mi' } })).toBe(900);
    expect(score({ requests: { memory: '1049000' } }, {}, 1000 * 1049)).toBe(3);
    expect(score({ limits: { memory: '250Mi' } })).toBe(750);
    expect(score({ requests: { memory: '100Mi' }, limits: { memory: '250Mi' } })).toBe(900);
    expect(score({ requests: { memory: '999Mi' } })).toBe(3);
    expect(score({ requests: { memory: '100Mi' } }, {}, 0)).toBe(1000);
  });

  it('is killed last in a pod that its node cannot do without', () => {
    expect(of({}, { priorityClassName: 'system-node-critical' }).oomScoreAdj).toBe(-997);
    expect(of({}, { priorityClassName: 'system-cluster-critical' }).oomScoreAdj).toBe(1000);
  });

  it('of a sidecar is not killed before those of the containers that it serves', () => {
    const asking = (name: string, memory: string, more: Partial<Container> = {}) =>
      container(name, { resources: { requests: { memory } }, ...more });
    const score = (init: Container) =>
      cgroupResources(
        makePod('web', { initContainers: [init], containers: [asking('a', '300Mi'), asking('b', '200Mi')] }),
        init,
        1000 * mib,
      ).oomScoreAdj;
    expect(score(asking('side', '10Mi', { restartPolicy: 'Always' }))).toBe(800);
    expect(score(asking('side', '400Mi', { restartPolicy: 'Always' }))).toBe(600);
    expect(score(asking('init', '10Mi'))).toBe(990);
  });
});
