import { expect } from 'vitest';
import { type Suite, shellDeployment } from './suite.ts';

/** What came to kubectl between 1.32 and 1.36. */
export function newer({ promise, cluster }: Suite): void {
  promise('asks, waits and shows in the ways that came after 1.32', async (space) => {
    await space.apply(shellDeployment('d'));
    const node = cluster().machine(1).name;
    await space.says({
      'wait --for=create --for=condition=Available deployment/d --timeout=60s':
        'deployment.apps/d condition met\ndeployment.apps/d condition met',
      'get deployment d -o kyaml': /^---\n\{\n {2}apiVersion: "apps\/v1",\n {2}kind: "Deployment",\n/,
      "get pods -l 'app in (d),app notin (e)' -o name": /^pod\/d-HASH-POD$/,
      'explain pods.spec.containers -R': /\n {2}env\t<\[\]EnvVar>\n {2}name\t<string> -required-\n/,
      'autoscale deployment d --max=4 --cpu=70% --memory=100Mi': 'horizontalpodautoscaler.autoscaling/d autoscaled',
      'get hpa d': `NAME  REFERENCE  TARGETS  MINPODS  MAXPODS  REPLICAS  AGE
d  Deployment/d  cpu: <unknown>/70%, memory: <unknown>/100Mi  1  4  0  1s`,
      [`top node ${node} --show-swap`]: /^NAME {2}.* {2}SWAP\(bytes\) {2}SWAP\(%\)\n/,
    });
    const { resources } = JSON.parse(await space.ok('api-resources --api-group=batch -o json'));
    expect(resources.map(({ name }: { name: string }) => name)).toEqual(['cronjobs', 'jobs']);
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { p: 'abcd' } };
    space.file('secret.json', secret);
    expect((await space.run('diff -f secret.json')).out).toContain("p: '***'");
    expect((await space.run('diff -f secret.json --show-secrets')).out).toContain('p: YWJjZA==');
  });

  promise('goes by preferences that it keeps', async (space) => {
    await space.ok('create configmap c');
    const own = { env: { HOME: space.dir } };
    await space.ok('kuberc set --section=defaults --command=get --option=output=name', own);
    await space.ok('kuberc set --section=aliases --name=maps --command=get --prependarg=configmap', own);
    await space.says(
      { 'kuberc view': /\naliases:\n- command: get\n|^aliases:\n- command: get\n/, 'get configmap c': 'configmap/c' },
      own,
    );
    expect(await space.ok('maps c', own)).toContain('c');
  });

  promise('applies sets, and prunes what is no longer in them', async (space) => {
    const set = `apply -n ${space.name} --prune --applyset=configmaps/set -f -`;
    const map = (name: string): string =>
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: space.name } });
    const env = { KUBECTL_APPLYSET: 'true' };
    await space.says({ [set]: 'configmap/one created' }, { input: map('one'), env });
    await space.says({ [set]: 'configmap/two created\nconfigmap/one pruned' }, { input: map('two'), env });
    await space.says({
      "get configmap set -o jsonpath='{.metadata.annotations.applyset\\.kubernetes\\.io/contains-group-kinds}'":
        'ConfigMap',
    });
  });
}
