import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PodSpec } from '../../../../../shared/generated/types.ts';
import { startTestApi, type TestApi } from '../../../../../test/support/api-server.ts';
import { formatDetails, violationsOf } from './evaluate.ts';
import { formatLevelVersion, type Level, policyOf } from './policy.ts';

const newest = Number.POSITIVE_INFINITY;
const found = (level: Level, spec: object, minor = newest): string =>
  formatDetails(violationsOf({ level, minor }, { metadata: {}, spec: spec as PodSpec }));
const plain = { containers: [{ name: 'a', image: 'a' }] };
const hardened = {
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [
    {
      name: 'a',
      image: 'a',
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } },
    },
  ],
  volumes: [{ name: 'v', emptyDir: {} }],
};

describe('the levels', () => {
  it('allow a plain pod at baseline, and list all its violations of restricted', () => {
    expect(found('baseline', plain)).toBe('');
    expect(found('restricted', plain)).toBe(
      'allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    );
    expect(found('restricted', hardened)).toBe('');
  });

  it.each<[string, object, string]>([
    ['host namespaces', { hostNetwork: true, hostPID: true }, 'host namespaces (hostNetwork=true, hostPID=true)'],
    ['hostPath', { volumes: [{ name: 'v', hostPath: { path: '/' } }] }, 'hostPath volumes (volume "v")'],
    [
      'host ports',
      {
        containers: ['a', 'b'].map((name) => ({ name, ports: [{ containerPort: 1, hostPort: name === 'a' ? 1 : 2 }] })),
      },
      'hostPort (containers "a", "b" use hostPorts 1, 2)',
    ],
    [
      'privileged containers of every sort',
      {
        initContainers: [{ name: 'i', securityContext: { privileged: true } }],
        containers: [{ name: 'a', securityContext: { privileged: true } }],
        ephemeralContainers: [{ name: 'e', securityContext: { privileged: true } }],
      },
      'privileged (containers "i", "a", "e" must not set securityContext.privileged=true)',
    ],
    [
      'capabilities',
      { containers: [{ name: 'a', securityContext: { capabilities: { add: ['SYS_ADMIN', 'CHOWN', 'NET_ADMIN'] } } }] },
      'non-default capabilities (container "a" must not include "NET_ADMIN", "SYS_ADMIN" in securityContext.capabilities.add)',
    ],
    [
      'sysctls',
      { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] }, containers: [] },
      'forbidden sysctls (kernel.msgmax)',
    ],
    [
      'SELinux',
      { securityContext: { seLinuxOptions: { type: 't', user: 'u' } }, containers: [] },
      'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "t"; user may not be set)',
    ],
    [
      'unconfined profiles',
      { securityContext: { seccompProfile: { type: 'Unconfined' } }, containers: [] },
      'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
    ],
  ])('name the container that violates baseline by %s', (_what, spec, message) => {
    expect(found('baseline', { containers: [], ...spec })).toBe(message);
  });

  it('ignore rules newer than the version', () => {
    expect(found('restricted', plain, 7)).toBe(
      'runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true)',
    );
    const sysctl = { securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] }, containers: [] };
    expect(found('baseline', sysctl, 31)).toBe('forbidden sysctls (net.ipv4.tcp_rmem)');
    expect(found('baseline', sysctl, 32)).toBe('');
  });

  it('are read from labels, an unreadable one as the strictest', () => {
    const read = (labels: Record<string, string>) => {
      const { policy, causes } = policyOf(labels);
      return [
        formatLevelVersion(policy.enforce),
        formatLevelVersion(policy.warn),
        causes.map(({ message }) => message),
      ];
    };
    const key = 'pod-security.kubernetes.io/';
    expect(read({ app: 'x' })).toEqual(['privileged:latest', 'privileged:latest', []]);
    expect(read({ [`${key}enforce`]: 'baseline', [`${key}enforce-version`]: 'v1.25' })).toEqual([
      'baseline:v1.25',
      'baseline:v1.25',
      [],
    ]);
    expect(read({ [`${key}enforce`]: 'strict' })).toEqual([
      'restricted:latest',
      'privileged:latest',
      ['Invalid value: "strict": must be one of privileged, baseline, restricted'],
    ]);
  });
});

describe('a namespace that enforces', () => {
  let server: TestApi;
  beforeEach(async () => {
    server = await startTestApi();
  });
  afterEach(() => server.stop());

  it('refuses pods that violate its level, from the moment of its creation on', async () => {
    for (let round = 0; round < 20; round++) {
      const namespace = `n${round}`;
      const labels = { 'pod-security.kubernetes.io/enforce': 'baseline' };
      await server.client.create('Namespace', { metadata: { name: namespace, labels } });
      const bad = server.client.create('Pod', {
        metadata: { name: 'bad', namespace },
        spec: { hostNetwork: true, containers: [{ name: 'a', image: 'a' }] },
      });
      await expect(bad).rejects.toMatchObject({
        reason: 'Forbidden',
        message: 'pods "bad" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)',
      });
    }
  });

  it('refuses labels that it can not read', async () => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'strict' };
    await expect(server.client.create('Namespace', { metadata: { name: 'n', labels } })).rejects.toMatchObject({
      reason: 'Invalid',
      message:
        'Namespace "n" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted',
    });
  });
});
