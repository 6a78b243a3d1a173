import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import * as k8s from '@kubernetes/client-node';
import protobuf from 'protobufjs';
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest';
import { programPid, signalProgram } from '../../deploy/cluster/machine.ts';
import { canRunMachines, startCluster, type TestCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { shellPod } from './kubectl/suite.ts';

const namespace = 'default';

describe.skipIf(!(await canRunMachines()))('@kubernetes/client-node', () => {
  let cluster: TestCluster;
  let config: k8s.KubeConfig;
  let core: k8s.CoreV1Api;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1 });
    config = configOf(cluster);
    core = config.makeApiClient(k8s.CoreV1Api);
    await core.createNamespacedPod({ namespace, body: shellPod('shell', script, {}, { stdin: true }) as k8s.V1Pod });
    await eventually(
      async () => (await core.readNamespacedPod({ namespace, name: 'shell' })).status?.containerStatuses?.[0]?.ready,
      { timeoutMs: 60_000, everyMs: 200 },
    );
  });
  afterAll(() => cluster?.down());

  it('reads a list with the typed client of each group', async () => {
    const lists: readonly Promise<k8s.KubernetesListObject<k8s.KubernetesObject>>[] = [
      core.listNode(),
      core.listPodForAllNamespaces({ limit: 1 }),
      config.makeApiClient(k8s.AppsV1Api).listDeploymentForAllNamespaces(),
      config.makeApiClient(k8s.AutoscalingV2Api).listHorizontalPodAutoscalerForAllNamespaces(),
      config.makeApiClient(k8s.BatchV1Api).listCronJobForAllNamespaces(),
      config.makeApiClient(k8s.CertificatesV1Api).listCertificateSigningRequest(),
      config.makeApiClient(k8s.CoordinationV1Api).listLeaseForAllNamespaces(),
      config.makeApiClient(k8s.DiscoveryV1Api).listEndpointSliceForAllNamespaces(),
      config.makeApiClient(k8s.EventsV1Api).listEventForAllNamespaces(),
      config.makeApiClient(k8s.NetworkingV1Api).listIngressForAllNamespaces(),
      config.makeApiClient(k8s.NodeV1Api).listRuntimeClass(),
      config.makeApiClient(k8s.PolicyV1Api).listPodDisruptionBudgetForAllNamespaces(),
      config.makeApiClient(k8s.RbacAuthorizationV1Api).listClusterRole(),
      config.makeApiClient(k8s.SchedulingV1Api).listPriorityClass(),
      config.makeApiClient(k8s.StorageV1Api).listStorageClass(),
    ];
    for (const list of await Promise.all(lists)) expect(list.kind).toMatch(/List$/);
    const review = { spec: { resourceAttributes: { verb: 'get', resource: 'pods' } } };
    const access = await config.makeApiClient(k8s.AuthorizationV1Api).createSelfSubjectAccessReview({ body: review });
    expect(access.status?.allowed).toBe(true);
    const self = await config.makeApiClient(k8s.AuthenticationV1Api).createSelfSubjectReview({ body: {} });
    expect(self.status?.userInfo?.username).toBe('kubernetes-admin');
    expect((await config.makeApiClient(k8s.VersionApi).getCode()).major).toBe('1');
    expect((await config.makeApiClient(k8s.ApisApi).getAPIVersions()).groups.length).toBeGreaterThan(10);
  });

  it('patches in each way, applies, and works with objects of any kind', async () => {
    const objects = k8s.KubernetesObjectApi.makeApiClient(config);
    const map = (data: Record<string, string>): k8s.V1ConfigMap => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'any', namespace },
      data,
    });
    const data = async (): Promise<unknown> => (await core.readNamespacedConfigMap({ name: 'any', namespace })).data;
    await objects.create(map({ a: '1' }));
    await objects.patch(map({ b: '2' }), undefined, undefined, undefined, undefined, k8s.PatchStrategy.MergePatch);
    await objects.patch(
      map({ c: '3' }),
      undefined,
      undefined,
      'mine',
      undefined,
      k8s.PatchStrategy.StrategicMergePatch,
    );
    expect(await data()).toEqual({ a: '1', b: '2', c: '3' });
    const remove = [{ op: 'remove', path: '/data/a' }];
    const asJsonPatch = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.JsonPatch);
    await core.patchNamespacedConfigMap({ name: 'any', namespace, body: remove }, asJsonPatch);
    expect(await data()).toEqual({ b: '2', c: '3' });
    const apply = (b: string, force: boolean): Promise<unknown> =>
      objects.patch(map({ b }), undefined, undefined, 'applier', force, k8s.PatchStrategy.ServerSideApply);
    const conflict = await refusal(apply('9', false));
    expect(conflict).toMatchObject({ code: 409, body: { reason: 'Conflict' } });
    expect(conflict.body.details?.causes).toEqual([
      expect.objectContaining({ reason: 'FieldManagerConflict', field: '.data.b' }),
    ]);
    await apply('9', true);
    expect(await data()).toEqual({ b: '9', c: '3' });
    const read = await objects.read<k8s.V1ConfigMap>({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'any', namespace },
    });
    expect(read.metadata?.managedFields?.map(({ manager }) => manager)).toContain('applier');
    expect((await objects.list('apps/v1', 'Deployment', namespace)).items).toEqual([]);
    await objects.delete(map({}));
    expect(
      (await refusal(objects.read(map({}) as k8s.KubernetesObject & { metadata: { name: string; namespace: string } })))
        .code,
    ).toBe(404);
  });

  it('gets a Status that explains an error', async () => {
    expect(await refusal(core.readNamespacedPod({ name: 'nope', namespace }))).toMatchObject({
      code: 404,
      body: {
        kind: 'Status',
        status: 'Failure',
        message: 'pods "nope" not found',
        reason: 'NotFound',
        details: { name: 'nope', kind: 'pods' },
        code: 404,
      },
    });
    const invalid = await refusal(core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'NO' } } }));
    expect(invalid).toMatchObject({
      code: 422,
      body: { reason: 'Invalid', details: { causes: [{ field: 'metadata.name' }] } },
    });
    expect(await refusal(core.createNamespace({ body: { metadata: { name: 'default' } } }))).toMatchObject({
      code: 409,
      body: { reason: 'AlreadyExists' },
    });
    expect(await refusal(core.listNamespacedPod({ namespace, _continue: 'nonsense' }))).toMatchObject({ code: 400 });
  });

  it('watches from a known version, and gets Expired when it has been compacted', async () => {
    const before = (await core.listNamespacedConfigMap({ namespace })).metadata?.resourceVersion;
    for (const name of ['w1', 'w2']) await core.createNamespacedConfigMap({ namespace, body: { metadata: { name } } });
    await core.deleteNamespacedConfigMap({ name: 'w1', namespace });
    const seen: string[] = [];
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const ended = new Promise<unknown>((resolve) => {
      void new k8s.Watch(config).watch(
        path,
        { resourceVersion: before, timeoutSeconds: 2 },
        (phase, object) => seen.push(`${phase} ${object.metadata.name}`),
        resolve,
      );
    });
    await ended;
    expect(seen).toEqual(['ADDED w1', 'ADDED w2', 'DELETED w1']);
    const errors: { code: number; reason: string }[] = [];
    await new Promise<void>((resolve) => {
      void new k8s.Watch(config).watch(
        path,
        { resourceVersion: '1', timeoutSeconds: 2 },
        (phase, object) => phase === 'ERROR' && errors.push(object),
        () => resolve(),
      );
    });
    // A young cluster may have nothing compacted: then it is given all of it.
    for (const error of errors) expect(error).toMatchObject({ code: 410, reason: 'Expired' });
  });

  it('executes, attaches, forwards a port and follows a log', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    const [out, err] = [new PassThrough(), new PassThrough()];
    const [output, errors] = [textOf(out), textOf(err)];
    const status = await new Promise<k8s.V1Status>((resolve, reject) => {
      new k8s.Exec(config)
        .exec(
          namespace,
          'shell',
          'shell',
          ['sh', '-c', 'echo out; echo err >&2; exit 3'],
          out,
          err,
          null,
          false,
          resolve,
        )
        .catch(reject);
    });
    expect(status).toMatchObject({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '3' }] },
    });
    await eventually(() => output() === 'out\n' && errors() === 'err\n');

    const log = new PassThrough();
    const logged = textOf(log);
    const following = await new k8s.Log(config).log(namespace, 'shell', 'shell', log, { follow: true });
    const [attachedIn, attachedOut] = [new PassThrough(), new PassThrough()];
    const attached = textOf(attachedOut);
    const socket = await new k8s.Attach(config).attach(
      namespace,
      'shell',
      'shell',
      attachedOut,
      null,
      attachedIn,
      false,
    );
    attachedIn.write('word\n');
    await eventually(() => attached().includes('got word\n') && logged().includes('got word\n'), { timeoutMs: 20_000 });
    socket.close();
    following.abort();

    const forward = new k8s.PortForward(config);
    const server = createServer((client) => void forward.portForward(namespace, 'shell', [8080], client, null, client));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const page = await (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text();
    expect(page).toBe('page\n');
    server.close();
  });

  it('is no worse off when it insists on protobuf', async () => {
    const protoType = 'application/vnd.kubernetes.protobuf';
    const { ConfigMap, Unknown } = ownMessages();
    const raw = ConfigMap.encode({ metadata: { name: 'wire' }, data: { a: 'b' } }).finish();
    const body = Buffer.concat([
      Buffer.from('k8s\0', 'latin1'),
      Unknown.encode({ typeMeta: { apiVersion: 'v1', kind: 'ConfigMap' }, raw }).finish(),
    ]);
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const headers = { accept: protoType, 'content-type': protoType };
    const made = await call(cluster, 'POST', path, { headers, body });
    expect([made.status, made.type]).toEqual([201, protoType]);
    const { body: bytes } = await call(cluster, 'GET', `${path}/wire`, { headers: { accept: protoType } });
    expect(bytes.subarray(0, 4).toString('latin1')).toBe('k8s\0');
    const envelope = Unknown.decode(bytes.subarray(4)) as unknown as { raw: Uint8Array; typeMeta: object };
    expect(envelope.typeMeta).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
    const object = ConfigMap.toObject(ConfigMap.decode(envelope.raw)) as { metadata: { uid: string }; data: object };
    expect(object).toMatchObject({ metadata: { name: 'wire', namespace }, data: { a: 'b' } });
    const typed = await core.readNamespacedConfigMap({ name: 'wire', namespace });
    expect(typed.metadata?.uid).toBe(object.metadata.uid);
  });

  it('keeps an informer whole through a cut connection and a server that is killed', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    const line = await cuttable(cluster);
    try {
      const api = line.config.makeApiClient(k8s.CoreV1Api);
      const labelSelector = 'informed=yes';
      const informer = k8s.makeInformer(
        line.config,
        `/api/v1/namespaces/${namespace}/configmaps`,
        () => api.listNamespacedConfigMap({ namespace, labelSelector }),
        labelSelector,
      );
      const told: string[] = [];
      for (const verb of ['add', 'update', 'delete'] as const) {
        informer.on(verb, (object) => told.push(`${verb} ${object.metadata?.name}`));
      }
      let stopped = false;
      let again: NodeJS.Timeout | undefined;
      // As its readme asks for.
      informer.on('error', () => {
        if (!stopped) again = setTimeout(() => void informer.start(), 100);
      });
      const make = (name: string): Promise<unknown> =>
        core.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels: { informed: 'yes' } } } });
      const names = (): string[] => informer.list(namespace).map(({ metadata }) => metadata?.name ?? '');
      await make('before');
      await informer.start();
      await eventually(() => names().includes('before'));
      line.cut();
      await make('while-cut');
      await core.deleteNamespacedConfigMap({ name: 'before', namespace });
      line.mend();
      await eventually(() => names().join() === 'while-cut', { timeoutMs: 30_000 });
      await killServer(cluster);
      await eventually(() => make('after-kill'), { timeoutMs: 60_000, everyMs: 200 });
      await eventually(() => names().sort().join() === 'after-kill,while-cut', { timeoutMs: 30_000 });
      stopped = true;
      clearTimeout(again);
      await informer.stop();
      for (const event of ['add before', 'delete before', 'add while-cut', 'add after-kill']) {
        expect(told.filter((one) => one === event)).toEqual([event]);
      }
    } finally {
      line.close();
    }
  });
});

const script = `mkdir /www; echo page >/www/index.html; httpd -p 8080 -h /www
while read line; do echo got $line; done; exec sleep 1000`;

function configOf(cluster: TestCluster): k8s.KubeConfig {
  const config = new k8s.KubeConfig();
  config.loadFromFile(cluster.file.kubeconfig);
  return config;
}

/** What the call was refused with; fails when it was not. */
async function refusal(call: Promise<unknown>): Promise<{ code: number; body: k8s.V1Status }> {
  const error = await call.then(
    () => new Error('it was not refused'),
    (failure: unknown) => failure,
  );
  if (!(error instanceof k8s.ApiException)) throw error;
  return { code: error.code, body: typeof error.body === 'string' ? JSON.parse(error.body) : error.body };
}

/** The same cluster through a line that can be cut. */
async function cuttable(cluster: TestCluster) {
  const { hostname, port } = new URL(cluster.file.rest);
  const sockets = new Set<Socket>();
  let whole = true;
  const server = createServer((client) => {
    if (!whole) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(port), hostname);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const config = configOf(cluster);
  const [there] = config.clusters;
  if (!there) throw new Error('the kubeconfig names no cluster');
  config.clusters = [{ ...there, server: `https://127.0.0.1:${(server.address() as AddressInfo).port}` }];
  const cut = (): void => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    config,
    cut,
    mend() {
      whole = true;
    },
    close() {
      cut();
      server.close();
    },
  };
}

async function killServer(cluster: TestCluster): Promise<void> {
  const machine = cluster.machine(0);
  const before = programPid(machine, 'server');
  await signalProgram(machine, 'server', 'KILL');
  await eventually(
    () => {
      const now = programPid(machine, 'server');
      return now !== undefined && now !== before;
    },
    { timeoutMs: 30_000, what: 'the server did not start again' },
  );
}

function textOf(stream: PassThrough): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  return () => text;
}

/** As much of Kubernetes' messages as is needed here, written down anew: field numbers are its public facts. */
function ownMessages() {
  const root = protobuf.parse(`syntax = "proto2";
    message ObjectMeta { optional string name = 1; optional string namespace = 3; optional string uid = 5; }
    message ConfigMap { optional ObjectMeta metadata = 1; map<string, string> data = 2; }
    message TypeMeta { optional string apiVersion = 1; optional string kind = 2; }
    message Unknown { optional TypeMeta typeMeta = 1; optional bytes raw = 2; }`).root;
  return { ConfigMap: root.lookupType('ConfigMap'), Unknown: root.lookupType('Unknown') };
}

function call(
  cluster: TestCluster,
  method: string,
  path: string,
  { headers, body }: { headers: Record<string, string>; body?: Buffer },
): Promise<{ status: number | undefined; type: string | undefined; body: Buffer }> {
  const { rest, ca, cert, key } = cluster.file;
  const tls = { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) };
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, rest), { method, headers, ...tls, agent: false, timeout: 10_000 }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () =>
        resolve({ status: answer.statusCode, type: answer.headers['content-type'], body: Buffer.concat(parts) }),
      );
    });
    sent.on('timeout', () => sent.destroy(new Error(`${path} is not answered`)));
    sent.on('error', reject);
    sent.end(body);
  });
}
