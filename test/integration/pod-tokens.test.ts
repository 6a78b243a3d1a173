import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pod } from '../../shared/generated/types.ts';
import { dockerMissing, testImage } from '../support/docker.ts';
import { type DockerCluster, startDockerCluster } from '../support/docker-cluster.ts';
import { type Kubectl, serveKubectl } from '../support/kubectl.ts';

const missing = await dockerMissing();
const image = { image: testImage, imagePullPolicy: 'IfNotPresent' } as const;
const forever = 'trap "exit 0" TERM; while true; do sleep 1 & wait $!; done';
const home = '/var/run/secrets/kubernetes.io/serviceaccount';

describe.skipIf(missing)('a pod on Docker', () => {
  let cluster: DockerCluster;
  let kubectl: Kubectl;

  beforeAll(async () => {
    cluster = await startDockerCluster('10.96.0.0/16');
    kubectl = await serveKubectl(cluster);
  });
  afterAll(async () => {
    await kubectl?.close();
    await cluster?.close();
  });

  async function run(...args: string[]): Promise<string> {
    const { code, out, err } = await kubectl.run(args);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${err}`);
    return out;
  }

  function runPod(name: string, spec: Partial<Pod['spec']> = {}): Promise<Pod> {
    const containers = [{ ...image, name: 'app', command: ['/bin/sh', '-c', forever] }];
    return cluster.runPod({
      metadata: { name, namespace: 'default' },
      spec: { terminationGracePeriodSeconds: 1, containers, ...spec } as Pod['spec'],
    });
  }

  it('finds the CA, its namespace and a token that is its own and goes with it', async () => {
    const pod = await runPod('plain');
    const read = (file: string): Promise<string> => run('exec', 'plain', '--', 'cat', `${home}/${file}`);
    expect(await read('namespace')).toBe('default');
    expect(await read('ca.crt')).toBe(cluster.authority.certificate);
    const token = await read('token');
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    expect(claims['kubernetes.io']).toMatchObject({
      namespace: 'default',
      node: { name: 'node-1' },
      pod: { name: 'plain', uid: pod.metadata.uid },
      serviceaccount: { name: 'default' },
    });
    expect(claims.exp - claims.iat).toBe(3607);
    const [authenticator] = cluster.controlPlane.tokens?.authenticators ?? [];
    expect(await authenticator?.authenticate(token)).toMatchObject({
      user: 'system:serviceaccount:default:default',
      extra: { 'authentication.kubernetes.io/pod-name': ['plain'] },
    });
    await run('delete', 'pod', 'plain', '--wait');
    expect(await authenticator?.authenticate(token)).toBeUndefined();
  });

  it('shows every source of a projected volume, with the requested modes', async () => {
    await run('create', 'configmap', 'words', '--from-literal=a=1');
    await run('create', 'secret', 'generic', 'hidden', '--from-literal=b=2');
    await runPod('projected', {
      securityContext: { runAsUser: 1000, fsGroup: 2000 },
      containers: [
        {
          ...image,
          name: 'app',
          command: ['/bin/sh', '-c', forever],
          volumeMounts: [{ name: 'all', mountPath: '/all' }],
        },
      ],
      automountServiceAccountToken: false,
      volumes: [
        {
          name: 'all',
          projected: {
            defaultMode: 0o644,
            sources: [
              { configMap: { name: 'words', items: [{ key: 'a', path: 'deep/a', mode: 0o600 }] } },
              { secret: { name: 'hidden' } },
              { downwardAPI: { items: [{ path: 'me', fieldRef: { fieldPath: 'metadata.name' } }] } },
              { serviceAccountToken: { path: 'vault', audience: 'vault', expirationSeconds: 900 } },
            ],
          },
        },
      ],
    });
    const script = `cat /all/deep/a /all/b /all/me; echo; stat -Lc '%a %u %g' /all/deep/a /all/b /all/vault; ls ${home} 2>&1`;
    const { out } = await kubectl.run(['exec', 'projected', '--', 'sh', '-c', script]);
    const [content, ...lines] = out.trim().split('\n');
    expect(content).toBe('12projected');
    expect(lines.slice(0, 3)).toEqual(['640 0 2000', '644 0 2000', '640 1000 2000']);
    expect(lines.at(-1)).toContain('No such file');
    const token = await run('exec', 'projected', '--', 'cat', '/all/vault');
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({ aud: ['vault'] });
    expect(claims.exp - claims.iat).toBe(900);
  });
});
