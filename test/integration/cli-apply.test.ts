import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { startCli } from '../support/cli.ts';
import { type CliScene, deploymentYaml, pod, startCliScene } from '../support/cli-scene.ts';
import { eventually } from '../support/eventually.ts';

let cli: CliScene;

beforeAll(async () => {
  cli = await startCliScene();
});
afterAll(() => cli?.stop());

describe('apply', () => {
  test('by the server names the owner of a field, and takes it over when forced', async () => {
    const yaml = (value: string) =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: shared\ndata:\n  a: "${value}"\n`;
    expect(await cli.applied(yaml('1'), '--server-side', '--field-manager', 'one')).toBe(
      'configmap/shared serverside-applied\n',
    );
    const refused = await startCli(['apply', '-f', '-', '--server-side'], cli.env, yaml('2')).done;
    expect(refused.code).not.toBe(0);
    expect(refused.err).toContain('Apply failed with 1 conflict: conflict with "one": .data.a');
    expect(await cli.applied(yaml('2'), '--server-side', '--force-conflicts')).toBe(
      'configmap/shared serverside-applied\n',
    );
    const pointless = await startCli(['apply', '-f', '-', '--force-conflicts'], cli.env, yaml('2')).done;
    expect(pointless.err).toContain('--force-conflicts only works with --server-side');
  });

  test('creates, then finds nothing to do, then configures what the file has changed', async () => {
    expect(await cli.applied(deploymentYaml('web', { replicas: 2 }))).toBe('deployment.apps/web created\n');
    expect(await cli.applied(deploymentYaml('web', { replicas: 2 }))).toBe('deployment.apps/web unchanged\n');
    expect(await cli.applied(deploymentYaml('web', { replicas: 2, image: 'web:2' }))).toBe(
      'deployment.apps/web configured\n',
    );
    const { spec } = await cli.grpc.client.get('Deployment', 'web', 'default');
    expect(spec.template.spec?.containers.map(({ image }) => image)).toEqual(['web:2', 'side:1']);
  });

  test('removes what the file has no more, and leaves alone what others set', async () => {
    await cli.applied(deploymentYaml('shared', { env: 'OLD' }));
    await cli.grpc.client.patch(
      'Deployment',
      'shared',
      {
        type: 'strategic',
        body: {
          spec: {
            replicas: 4,
            template: {
              spec: {
                containers: [
                  { name: 'web', env: [{ name: 'B', value: 'theirs' }] },
                  { name: 'injected', image: 'i' },
                ],
              },
            },
          },
        },
      },
      { namespace: 'default' },
    );
    expect(await cli.applied(deploymentYaml('shared', { env: 'NEW', volume: 'hostPath: {path: /tmp}' }))).toBe(
      'deployment.apps/shared configured\n',
    );
    const { spec } = await cli.grpc.client.get('Deployment', 'shared', 'default');
    expect(spec.replicas).toBe(4);
    const containers = spec.template.spec?.containers ?? [];
    expect(containers.map(({ name }) => name).sort()).toEqual(['injected', 'side', 'web']);
    const env = containers.find(({ name }) => name === 'web')?.env ?? [];
    expect(env.map(({ name, value }) => `${name}=${value}`).sort()).toEqual(['B=theirs', 'NEW=ours']);
    expect(spec.template.spec?.volumes?.[0]).toMatchObject({ name: 'data', hostPath: { path: '/tmp' } });
    expect(spec.template.spec?.volumes?.[0]).not.toHaveProperty('emptyDir');
  });

  test('takes directories, many documents, and lists', async () => {
    const home = join(cli.dir, 'manifests');
    await mkdir(join(home, 'more'), { recursive: true });
    const configMap = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {a: b}\n`;
    await writeFile(join(home, 'b.yaml'), `${configMap('b1')}---\n${configMap('b2')}---\n`);
    const list = { apiVersion: 'v1', kind: 'List', items: [parse(configMap('a1'))] };
    await writeFile(join(home, 'a.json'), JSON.stringify(list));
    await writeFile(join(home, 'notes.txt'), 'no manifest');
    await writeFile(join(home, 'more', 'c.yml'), configMap('c1'));
    expect(await cli.ok('apply', '-f', home)).toBe(
      'configmap/a1 created\nconfigmap/b1 created\nconfigmap/b2 created\n',
    );
    expect(await cli.ok('apply', '-R', '-f', home)).toContain('configmap/c1 created');
    expect(await cli.ok('delete', '-f', home)).toBe(
      'configmap/b2 deleted\nconfigmap/b1 deleted\nconfigmap/a1 deleted\n',
    );
  });

  test('a dry run reports the changes without making them', async () => {
    expect(await cli.applied(deploymentYaml('dry'), '--dry-run')).toBe('deployment.apps/dry created (dry run)\n');
    expect((await cli.coracle('get', 'deploy', 'dry')).code).toBe(1);
  });

  test.each([
    ['an unknown field', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndatta: {}\n', /unknown field "datta"/],
    [
      'an unknown kind',
      'apiVersion: v1\nkind: Gizmo\nmetadata: {name: x}\n',
      /no matches for kind "Gizmo" in version "v1"/,
    ],
    ['broken YAML', 'a: [', /standard input/],
    ['an invalid object', deploymentYaml('Bad_Name'), /metadata\.name.*\(?/],
    ['nothing', '', /no objects in -/],
  ])('%s is one clear line and a failure', async (_what, text, expected) => {
    const { code, err } = await startCli(['apply', '-f', '-'], cli.env, text).done;
    expect(code).toBe(1);
    expect(err).toMatch(/^error: .*\n$/);
    expect(err).toMatch(expected);
  });
});

describe('delete', () => {
  test('waits until the object is gone', async () => {
    const { metadata } = await cli.grpc.client.create('ConfigMap', {
      metadata: { name: 'sticky', namespace: 'default', finalizers: ['test.example/hold'] },
    });
    const run = cli.start('delete', 'cm', 'sticky');
    await eventually(() => run.out() === 'configmap/sticky deleted\n');
    let over = false;
    const done = run.done.then((result) => {
      over = true;
      return result;
    });
    await eventually(
      async () =>
        (await cli.grpc.client.get('ConfigMap', 'sticky', 'default')).metadata.deletionTimestamp !== undefined,
    );
    expect(over).toBe(false);
    const body = { metadata: { finalizers: null } };
    await cli.grpc.client.patch('ConfigMap', metadata.name, { type: 'merge', body }, { namespace: 'default' });
    expect((await done).code).toBe(0);
  });

  test('requires a name, a selector or --all, and reports when there is nothing to delete', async () => {
    expect((await cli.coracle('delete', 'pods')).err).toBe('error: give names, a selector (-l), or --all\n');
    expect((await cli.coracle('delete', 'pod', 'nobody')).err).toBe('error: pods "nobody" not found\n');
    expect(await cli.coracle('delete', 'pod', 'nobody', '--ignore-not-found')).toMatchObject({ code: 0, err: '' });
    for (const name of ['d1', 'd2']) {
      await cli.grpc.client.create('Pod', {
        ...pod(name),
        metadata: { name, namespace: 'default', labels: { bulk: 'x' } },
      });
    }
    expect(await cli.ok('delete', 'pods', '-l', 'bulk=x')).toBe('pod/d1 deleted\npod/d2 deleted\n');
  });
});
