import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { documented } from '../../control-plane/api/rest/openapi/documented.ts';
import { servedKinds } from '../../shared/kinds/index.ts';
import { apiVersionOf } from '../../shared/kinds/names.ts';
import { hasKubectl, kubectlProgram } from '../support/kubectl-program.ts';
import { startTestRest, type TestRest } from './rest-server.ts';

const run = promisify(execFile);
const kubectlFound = hasKubectl();
const swaggerProtobuf = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';

// biome-ignore lint/suspicious/noExplicitAny: documents, as clients read them
type Json = any;

describe('OpenAPI', () => {
  let server: TestRest;
  let swagger: Json;
  let core: Json;
  let apps: Json;
  const document = async (path: string): Promise<Json> => (await server.call('GET', path)).json;
  beforeAll(async () => {
    server = await startTestRest();
    swagger = await document('/openapi/v2');
    core = await document('/openapi/v3/api/v1');
    apps = await document('/openapi/v3/apis/apps/v1');
  });
  afterAll(() => server?.stop());

  it('has one document of version 3 a group and version, each at an address that names its content', async () => {
    const { paths } = await document('/openapi/v3');
    const roots = new Set(servedKinds.map((def) => (def.group ? `apis/${apiVersionOf(def)}` : `api/${def.version}`)));
    expect(new Set(Object.keys(paths))).toEqual(roots);
    const address = paths['apis/apps/v1'].serverRelativeURL;
    expect(address).toMatch(/^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]+$/);
    const answer = await server.call('GET', address);
    expect(answer.headers['cache-control']).toBe('public, immutable, max-age=31536000');
    expect(answer.json).toEqual(apps);
    const old = await server.call('GET', '/openapi/v3/apis/apps/v1?hash=0');
    expect([old.status, old.headers.location]).toEqual([301, address]);
  });

  it('sends nothing again that the client has', async () => {
    for (const path of ['/openapi/v2', '/openapi/v3', '/openapi/v3/api/v1']) {
      const first = await server.call('GET', path);
      const again = await server.call('GET', path, { headers: { 'if-none-match': `${first.headers.etag}` } });
      expect([again.status, again.text]).toEqual([304, '']);
      const other = await server.call('GET', path, { headers: { 'if-none-match': '"other"' } });
      expect(other.status).toBe(200);
    }
  });

  it('marks required fields as Kubernetes does, whatever is checked, and atomic structs', () => {
    const of = (name: string): Json => swagger.definitions[`io.k8s.${name}`];
    expect(of('api.autoscaling.v2.HorizontalPodAutoscalerSpec').required.sort()).toEqual([
      'maxReplicas',
      'scaleTargetRef',
    ]);
    expect(of('api.core.v1.PodList').required).toEqual(['items']);
    expect(of('api.apps.v1.Deployment').required).toBeUndefined();
    expect(of('api.core.v1.SecretKeySelector')['x-kubernetes-map-type']).toBe('atomic');
    expect(of('api.apps.v1.DeploymentSpec').properties.selector['x-kubernetes-map-type']).toBeUndefined();
    expect(of('api.core.v1.PersistentVolumeSpec').properties.claimRef['x-kubernetes-map-type']).toBe('granular');
    for (const message of Object.keys(documented)) {
      const { properties } = of(message.slice('k8s.io.'.length));
      for (const field of (documented[message] ?? '').split(' ')) {
        expect(Object.keys(properties)).toContain(field.replace(/^-/, ''));
      }
    }
  });

  it('describes every field of every kind, and refers to nothing that it has not', () => {
    for (const [text, schemas] of [
      [JSON.stringify(swagger), swagger.definitions],
      [JSON.stringify(core), core.components.schemas],
      [JSON.stringify(apps), apps.components.schemas],
    ]) {
      const references = [...text.matchAll(/"\$ref":"#\/(?:definitions|components\/schemas)\/([^"]+)"/g)];
      expect(references.length).toBeGreaterThan(50);
      for (const [, name] of references) expect(schemas).toHaveProperty([name as string]);
    }
    const bare = Object.entries<Json>(swagger.definitions).flatMap(([name, schema]) =>
      Object.entries<Json>(schema.properties ?? {})
        .filter(([, property]) => !property.description)
        .map(([property]) => `${name}.${property}`),
    );
    expect(bare).toEqual([]);
    const kinds = Object.values<Json>(swagger.definitions).flatMap(
      (one) => one['x-kubernetes-group-version-kind'] ?? [],
    );
    for (const { group, version, kind } of servedKinds) expect(kinds).toContainEqual({ group, version, kind });
  });

  it('contains list types, enums and defaults', () => {
    const pod = core.components.schemas['io.k8s.api.core.v1.PodSpec'].properties;
    expect(pod.containers).toMatchObject({
      type: 'array',
      'x-kubernetes-patch-merge-key': 'name',
      'x-kubernetes-patch-strategy': 'merge',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    });
    expect(pod.restartPolicy.enum).toEqual(['Always', 'OnFailure', 'Never']);
    const port = core.components.schemas['io.k8s.api.core.v1.ContainerPort'].properties;
    expect(port.protocol.default).toBe('TCP');
    const whole = core.components.schemas['io.k8s.api.core.v1.Pod'].properties;
    expect(whole.spec).toMatchObject({
      allOf: [{ $ref: '#/components/schemas/io.k8s.api.core.v1.PodSpec' }],
      default: {},
    });
    const target = core.components.schemas['io.k8s.apimachinery.pkg.util.intstr.IntOrString'];
    expect(target).toEqual({ format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] });
  });

  it('names every operation once, subresources too, with what it takes', () => {
    const operations = (paths: Json): Json[] =>
      Object.values<Json>(paths).flatMap(({ parameters: _shared, ...methods }) => Object.values(methods));
    for (const { paths } of [swagger, core, apps]) {
      const ids = operations(paths).map(({ operationId }) => operationId);
      expect(new Set(ids).size).toBe(ids.length);
    }
    const ids = operations(swagger.paths).map(({ operationId }) => operationId);
    for (const id of [
      'listCoreV1PodForAllNamespaces',
      'readCoreV1NamespacedPodLog',
      'replaceCoreV1NamespacedPodStatus',
      'createCoreV1NamespacedPodEviction',
      'deleteAppsV1CollectionNamespacedDeployment',
      'patchAppsV1NamespacedDeploymentScale',
      'readCoreV1Node',
    ]) {
      expect(ids).toContain(id);
    }
    const patch = apps.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}'].patch;
    expect(patch['x-kubernetes-group-version-kind']).toEqual({ group: 'apps', version: 'v1', kind: 'Deployment' });
    expect(patch.parameters.map(({ name }: Json) => name)).toContain('fieldValidation');
    expect(Object.keys(patch.requestBody.content)).toContain('application/apply-patch+yaml');
  });

  it('speaks JSON, and version 2 protobuf', async () => {
    const binary = await server.call('GET', '/openapi/v2', { headers: { accept: swaggerProtobuf } });
    expect([binary.status, binary.headers['content-type']]).toEqual([
      200,
      'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
    ]);
    expect(binary.bytes.subarray(0, 5).toString('latin1')).toBe('\n\x032.0');
    const refused = await server.call('GET', '/openapi/v3/api/v1', { headers: { accept: 'text/html' } });
    expect(refused.status).toBe(406);
    const packed = await server.call('GET', '/openapi/v2', { headers: { 'accept-encoding': 'gzip' } });
    expect(packed.headers['content-encoding']).toBe('gzip');
  });

  describe.skipIf(!kubectlFound)('through kubectl', () => {
    const kubectl = async (...args: string[]): Promise<string> => {
      const env = { PATH: process.env.PATH, HOME: server.dir, KUBECONFIG: server.kubeconfig };
      const { stdout } = await run(kubectlProgram, [...args, `--cache-dir=${server.dir}/cache`], {
        env,
        timeout: 30_000,
      });
      return stdout;
    };

    it('explains deep fields, and all of them', async () => {
      const deep = await kubectl('explain', 'pod.spec.containers.livenessProbe.httpGet.port');
      expect(deep).toContain('FIELD: port <IntOrString>');
      const all = await kubectl('explain', 'deployment', '--recursive');
      expect(all).toMatch(/matchExpressions\s<\[\]LabelSelectorRequirement>/);
      expect(await kubectl('explain', 'pod.spec.restartPolicy')).toMatch(/ENUM:\s+Always\s+OnFailure\s+Never/);
    });

    it('explains from the Swagger document, too', async () => {
      const text = await kubectl('explain', 'pod.spec.containers', '--output', 'plaintext-openapiv2');
      expect(text).toContain('RESOURCE: containers <[]Object>');
      expect(text).toMatch(/imagePullPolicy\s<string>/);
    });

    it('explains kinds of all sorts of groups', async () => {
      const some = ['Node', 'Role', 'TokenReview', 'NodeGuard'];
      for (const def of servedKinds.filter(({ kind }) => some.includes(kind))) {
        const name = def.group ? `${def.plural}.${def.group}` : def.plural;
        expect(await kubectl('explain', name)).toContain(`KIND:       ${def.kind}`);
      }
    });
  });
});
