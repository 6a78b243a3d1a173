import { execFile } from 'node:child_process';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasKubectl, kubectlProgram } from '../support/kubectl-program.ts';
import { startTestRest, type TestRest } from './rest-server.ts';

const found = hasKubectl();

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

describe.skipIf(!found)('kubectl, writing', () => {
  let server: TestRest;
  beforeAll(async () => {
    server = await startTestRest();
  });
  afterAll(() => server?.stop());

  function run(args: readonly string[], input = '', environment: NodeJS.ProcessEnv = {}): Promise<Ended> {
    return new Promise((resolve) => {
      const env = { PATH: process.env.PATH, HOME: server.dir, KUBECONFIG: server.kubeconfig, ...environment };
      const all = [...args, `--cache-dir=${server.dir}/cache`];
      const child = execFile(kubectlProgram, all, { env, timeout: 30_000, cwd: server.dir }, (error, out, err) =>
        resolve({ code: error ? Number(error.code ?? -1) : 0, out, err }),
      );
      child.stdin?.end(input);
    });
  }

  async function kubectl(...args: readonly string[]): Promise<string> {
    const { code, out, err } = await run(args);
    expect(code, err).toBe(0);
    return out;
  }

  async function apply(manifest: string, ...flags: readonly string[]): Promise<Ended> {
    return run(['apply', '-f', '-', ...flags], manifest);
  }

  const deployment = (name: string, replicas = 2, more = ''): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, labels: {app: ${name}}}
spec:
  replicas: ${replicas}
${more}  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      containers:
      - {name: web, image: "web:1", ports: [{containerPort: 80}]}
`;
  const replicasOf = async (name: string) => (await server.client.get('Deployment', name, 'default')).spec.replicas;
  const managersOf = async (name: string): Promise<string[]> => {
    const { metadata } = await server.client.get('Deployment', name, 'default');
    return (metadata.managedFields ?? []).map(
      ({ manager, operation, subresource }) => `${manager} ${operation}${subresource ? ` ${subresource}` : ''}`,
    );
  };

  it('hands an object over from client-side to server-side apply and back', async () => {
    expect((await apply(deployment('a'))).out).toBe('deployment.apps/a created\n');
    expect(await managersOf('a')).toEqual(['kubectl-client-side-apply Update']);
    expect(await apply(deployment('a'), '--server-side')).toEqual({
      code: 0,
      out: 'deployment.apps/a serverside-applied\n',
      err: '',
    });
    expect(await managersOf('a')).toContain('kubectl Apply');
    expect((await apply(deployment('a', 3), '--server-side')).code).toBe(0);
    expect(await kubectl('apply', 'view-last-applied', 'deploy', 'a')).toContain('replicas: 3');
    expect((await apply(deployment('a', 4))).out).toBe('deployment.apps/a configured\n');
    expect(await replicasOf('a')).toBe(4);
  });

  it('reports conflicts, by field and manager, and takes over when forced', async () => {
    await apply(deployment('b'), '--server-side');
    await kubectl('scale', 'deploy/b', '--replicas=5');
    const refused = await apply(deployment('b'), '--server-side');
    expect(refused.code).toBe(1);
    expect(refused.err).toContain(
      'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas\n',
    );
    expect((await apply(deployment('b'), '--server-side', '--force-conflicts')).code).toBe(0);
    expect(await replicasOf('b')).toBe(2);
    expect(await managersOf('b')).toEqual(['kubectl Apply']);
  });

  it('shows what would change, by client and by server, and changes nothing', async () => {
    for (const flags of [[], ['--server-side', '--force-conflicts']]) {
      await run(['delete', 'deploy', 'c', '--ignore-not-found']);
      await apply(deployment('c'), ...flags);
      const same = await run(['diff', '-f', '-', ...flags], deployment('c'));
      expect([same.code, same.out]).toEqual([0, '']);
      const other = await run(['diff', '-f', '-', ...flags], deployment('c', 7));
      expect(other.code).toBe(1);
      expect(other.out).toMatch(/- {2}replicas: 2\n\+ {2}replicas: 7\n/);
    }
    expect(await replicasOf('c')).toBe(2);
  });

  it('edits with an editor, and stores nothing when nothing was edited', async () => {
    await apply(deployment('d'));
    const editor = join(server.dir, 'editor.sh');
    await writeFile(editor, '#!/bin/sh\nsed -i "s/replicas: 2/replicas: 6/" "$1"\n');
    await chmod(editor, 0o700);
    expect((await run(['edit', 'deploy', 'd'], '', { EDITOR: editor })).out).toBe('deployment.apps/d edited\n');
    expect(await replicasOf('d')).toBe(6);
    expect(await managersOf('d')).toContain('kubectl-edit Update');
    expect((await run(['edit', 'deploy', 'd'], '', { EDITOR: 'true' })).err).toContain('no changes made');
  });

  it('replaces, and is refused when it names an old version', async () => {
    await apply(deployment('e'));
    const replaced = await run(['replace', '-f', '-'], deployment('e', 9));
    expect(replaced.out).toBe('deployment.apps/e replaced\n');
    const { resourceVersion } = (await server.client.get('Deployment', 'e', 'default')).metadata;
    expect((await run(['scale', 'deploy/e', '--replicas=1', '--resource-version=1'])).err).toMatch(
      /Expected resource version to be 1, was \d+/,
    );
    expect((await run(['scale', 'deploy/e', '--replicas=1', `--resource-version=${resourceVersion}`])).code).toBe(0);
    const old = deployment('e').replace('name: e,', 'name: e, resourceVersion: "1",');
    expect((await run(['replace', '-f', '-'], old)).err).toContain('the object has been modified');
  });

  it('patches in every way, and reports an invalid patch', async () => {
    await apply(deployment('f'));
    const patch = (...args: readonly string[]) => run(['patch', 'deploy', 'f', ...args]);
    expect((await patch('-p', '{"spec":{"replicas":3}}')).out).toBe('deployment.apps/f patched\n');
    expect((await patch('-p', '{"spec":{"replicas":3}}')).out).toBe('deployment.apps/f patched (no change)\n');
    await patch('--type=merge', '-p', '{"spec":{"replicas":4}}');
    await patch('--type=json', '-p', '[{"op":"replace","path":"/spec/replicas","value":5}]');
    expect(await replicasOf('f')).toBe(5);
    const failed = await patch('--type=json', '-p', '[{"op":"test","path":"/spec/replicas","value":1}]');
    expect(failed.err).toContain(
      'The request is invalid: the server rejected our request due to an error in our request',
    );
    expect((await patch('--subresource=status', '--type=merge', '-p', '{"status":{"readyReplicas":1}}')).code).toBe(0);
    expect((await patch('--subresource=scale', '--type=merge', '-p', '{"spec":{"replicas":2}}')).out).toBe(
      'scale.autoscaling/f patched\n',
    );
    expect((await run(['patch', 'deploy', 'nobody', '-p', '{}'])).err).toBe(
      'Error from server (NotFound): deployments.apps "nobody" not found\n',
    );
    expect(await managersOf('f')).toContain('kubectl-patch Update status');
  });

  it('sets images, variables and resources', async () => {
    await apply(deployment('g'));
    expect(await kubectl('set', 'image', 'deploy/g', 'web=web:2')).toBe('deployment.apps/g image updated\n');
    await kubectl('set', 'env', 'deploy/g', 'A=b', 'C=d');
    await kubectl('set', 'env', 'deploy/g', 'A-');
    expect(await kubectl('set', 'env', 'deploy/g', '--list')).toBe('# Deployment g, container web\nC=d\n');
    await kubectl('set', 'resources', 'deploy/g', '--limits=cpu=200m', '--requests=cpu=100m');
    const [container] = (await server.client.get('Deployment', 'g', 'default')).spec.template.spec?.containers ?? [];
    expect(container).toMatchObject({
      image: 'web:2',
      resources: { limits: { cpu: '200m' }, requests: { cpu: '100m' } },
    });
  });

  it('labels and annotates, and overwrites only with --overwrite', async () => {
    await apply(deployment('h'));
    for (const verb of ['label', 'annotate']) {
      expect(await kubectl(verb, 'deploy', 'h', 'tier=front')).toMatch(/^deployment.apps\/h (labeled|annotated)\n$/);
      expect((await run([verb, 'deploy', 'h', 'tier=back'])).err).toContain('overwrite is false');
      await kubectl(verb, 'deploy', 'h', 'tier=back', '--overwrite');
      await kubectl(verb, 'deploy', 'h', 'tier-');
    }
    const stale = await run(['annotate', 'deploy', 'h', 'a=b', '--resource-version=1']);
    expect(stale.err).toContain('Error from server (Conflict): Operation cannot be fulfilled on deployments.apps "h"');
    const { labels, annotations } = (await server.client.get('Deployment', 'h', 'default')).metadata;
    expect([labels?.tier, annotations?.tier]).toEqual([undefined, undefined]);
  });

  it('prunes what a folder of manifests has no more', async () => {
    const folder = join(server.dir, 'pruned');
    await mkdir(folder);
    const configMap = (name: string) =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, labels: {set: one}}\n`;
    for (const name of ['p1', 'p2']) await writeFile(join(folder, `${name}.yaml`), configMap(name));
    const flags = ['-f', folder, '-l', 'set=one', '--prune', '--prune-allowlist=core/v1/ConfigMap'];
    expect(await kubectl('apply', ...flags)).toBe('configmap/p1 created\nconfigmap/p2 created\n');
    await rm(join(folder, 'p2.yaml'));
    expect(await kubectl('apply', ...flags)).toBe('configmap/p1 unchanged\nconfigmap/p2 pruned\n');
  });

  it('reports unknown and duplicate fields by the requested validation', async () => {
    const odd = deployment('i', 2, '  foo: 1\n');
    const create = (...flags: readonly string[]) => run(['create', '-f', '-', ...flags], odd);
    const strict = await create();
    expect(strict.code).toBe(1);
    expect(strict.err).toContain(
      'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.foo"',
    );
    const ignored = await create('--validate=ignore', '--dry-run=server');
    expect([ignored.code, ignored.err]).toEqual([0, '']);
    expect((await create('--validate=warn')).err).toBe('Warning: unknown field "spec.foo"\n');
    const patched = await run(['patch', 'deploy', 'i', '-p', '{"spec":{"bar":1}}']);
    expect(patched.err).toBe('Warning: unknown field "spec.bar"\n');
    const applied = await apply(odd, '--server-side');
    expect(applied.err).toContain(
      'failed to create typed patch object (default/i; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema',
    );
  });
});

describe('field validation', () => {
  let server: TestRest;
  beforeAll(async () => {
    server = await startTestRest();
  });
  afterAll(() => server?.stop());

  const path = '/api/v1/namespaces/default/configmaps';
  const twice =
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","labels":{"a":"1","a":"2"}},"foo":1,"data":{"x":"1","x":"2"}}';
  const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  x: "1"\n  x: "2"\nfoo: 1\n';
  const post = (body: string, validation: string, type = 'application/json') =>
    server.call('POST', `${path}?fieldValidation=${validation}&dryRun=All`, {
      body,
      headers: { 'content-type': type },
    });

  it('Strict refuses duplicate and unknown fields, all in one error', async () => {
    const json = await post(twice, 'Strict');
    expect(json.json).toMatchObject({
      code: 400,
      message:
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "foo", ' +
        'duplicate field "metadata.labels.a", duplicate field "data.x"',
    });
    expect((await post(yaml, 'Strict', 'application/yaml')).json.message).toBe(
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: yaml: unmarshal errors:\n' +
        '  line 6: key "x" already set in map, unknown field "foo"',
    );
  });

  it('Warn, the default, reports them in the header, and uses the last value', async () => {
    const warned = await post(twice, 'Warn');
    expect([warned.status, warned.json.data]).toEqual([201, { x: '2' }]);
    expect(warned.headers.warning).toBe(
      ['unknown field \\"foo\\"', 'duplicate field \\"metadata.labels.a\\"', 'duplicate field \\"data.x\\"']
        .map((text) => `299 - "${text}"`)
        .join(', '),
    );
    const byDefault = await server.call('POST', `${path}?dryRun=All`, { body: twice });
    expect(byDefault.headers.warning).toBe(warned.headers.warning);
    const fromYaml = await post(yaml, 'Warn', 'application/yaml');
    expect(fromYaml.headers.warning).toContain('299 - "line 6: key \\"x\\" already set in map"');
  });

  it('Ignore reports nothing', async () => {
    const ignored = await post(twice, 'Ignore');
    expect([ignored.status, ignored.headers.warning]).toEqual([201, undefined]);
  });

  it('holds for patches, whose faults are theirs (422)', async () => {
    await server.call('POST', path, { body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'p' } } });
    const patch = (body: string, type: string, validation: string) =>
      server.call('PATCH', `${path}/p?fieldValidation=${validation}`, { body, headers: { 'content-type': type } });
    const merge = await patch('{"foo":1,"data":{"a":"1","a":"2"}}', 'application/merge-patch+json', 'Strict');
    expect(merge.status).toBe(422);
    expect(merge.json.message).toMatch(
      /^ "" is invalid: patch: Invalid value: "{.*}": strict decoding error: duplicate field "data.a", unknown field "foo"$/,
    );
    const strategic = await patch('{"foo":1}', 'application/strategic-merge-patch+json', 'Strict');
    expect(strategic.json.message).toBe(
      ' "" is invalid: patch: Invalid value: "map[foo:1]": strict decoding error: unknown field "foo"',
    );
    const json = await patch(
      '[{"op":"add","op":"add","path":"/data","value":{}}]',
      'application/json-patch+json',
      'Warn',
    );
    expect(json.headers.warning).toBe('299 - "json patch duplicate field \\"[0].op\\""');
    const wrong = await patch('{"data":{"a":1}}', 'application/merge-patch+json', 'Warn');
    expect([wrong.status, wrong.json.message]).toEqual([422, expect.stringContaining('data.a: Invalid value: 1')]);
  });

  it('refuses options that mean nothing, in Kubernetes’ words', async () => {
    expect((await post(twice, 'Sometimes')).json).toMatchObject({
      code: 422,
      message:
        'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Sometimes": ' +
        'supported values: "", "Ignore", "Strict", "Warn"',
    });
    const dry = await server.call('POST', `${path}?dryRun=some`, { body: twice });
    expect(dry.json.message).toBe(
      'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: []string{"some"}: supported values: "All"',
    );
  });
});
