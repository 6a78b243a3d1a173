import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { protobufType } from '../../control-plane/api/rest/encoding/negotiate.ts';
import { decodeProtobuf } from '../../control-plane/api/rest/encoding/protobuf.ts';
import { apiVersionOf, servedKinds } from '../../shared/kinds/index.ts';
import { type KindEntry, verbsOf } from '../../shared/kinds/table.ts';
import { createSigningRequest } from '../../shared/pki/certificates.ts';
import { arbitraryObject } from '../support/arbitrary-objects.ts';
import { startTestRest, type TestRest } from './rest-server.ts';

const pod = '{containers: [{name: main, image: "some:1"}]}';
const template = `{metadata: {labels: {app: web}}, spec: ${pod}}`;
const selector = '{matchLabels: {app: web}}';
const once = `{metadata: {labels: {app: web}}, spec: {restartPolicy: Never, containers: [{name: main, image: "some:1"}]}}`;
const scaled = '{apiVersion: apps/v1, kind: Deployment, name: web}';

/** By Kind, or by Kind and version: the least that the kind is taken with. */
const least: Readonly<Record<string, string>> = {
  Pod: `spec: ${pod}`,
  PodTemplate: `template: ${template}`,
  ReplicationController: `spec: {selector: {app: web}, template: ${template}}`,
  ReplicaSet: `spec: {selector: ${selector}, template: ${template}}`,
  Deployment: `spec: {selector: ${selector}, template: ${template}}`,
  StatefulSet: `spec: {serviceName: web, selector: ${selector}, template: ${template}}`,
  DaemonSet: `spec: {selector: ${selector}, template: ${template}}`,
  ControllerRevision: 'revision: 1, data: {a: 1}',
  Job: `spec: {template: ${once}}`,
  CronJob: `spec: {schedule: "1 2 * * *", jobTemplate: {spec: {template: ${once}}}}`,
  Event: 'involvedObject: {kind: Pod, name: web, namespace: default}',
  'Event events.k8s.io/v1':
    'eventTime: "2026-01-02T03:04:05.000006Z", reportingController: a.b/c, reportingInstance: i, action: Act, reason: R, type: Normal, regarding: {kind: Pod, name: web, namespace: default}',
  Service: 'spec: {ports: [{port: 80}]}',
  Endpoints: 'subsets: [{addresses: [{ip: 10.1.2.3}], ports: [{port: 80}]}]',
  PersistentVolume: 'spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /data}}',
  PersistentVolumeClaim: 'spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}',
  ResourceQuota: 'spec: {hard: {services: "7"}}',
  LimitRange: 'spec: {limits: [{type: PersistentVolumeClaim, max: {storage: 100Gi}}]}',
  HorizontalPodAutoscaler: `spec: {scaleTargetRef: ${scaled}, maxReplicas: 3}`,
  PodDisruptionBudget: `spec: {selector: ${selector}, minAvailable: 1}`,
  Role: 'rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]',
  ClusterRole: 'rules: [{nonResourceURLs: [/healthz], verbs: [get]}]',
  RoleBinding: 'roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: one}',
  ClusterRoleBinding: 'roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: one}',
  PriorityClass: 'value: 7',
  RuntimeClass: 'handler: runsc',
  Ingress: 'spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}',
  IngressClass: 'spec: {controller: example.com/proxy}',
  NetworkPolicy: `spec: {podSelector: ${selector}}`,
  EndpointSlice: 'addressType: IPv4, endpoints: [{addresses: [10.1.2.3]}]',
  StorageClass: 'provisioner: example.com/disk',
  VolumeAttachment: 'spec: {attacher: disk.example.com, nodeName: n1, source: {persistentVolumeName: pv}}',
  CSINode: 'spec: {drivers: [{name: disk.example.com, nodeID: n1}]}',
  CSIStorageCapacity: 'storageClassName: disk',
  NodeGuard: '',
  JoinToken: 'spec: {secretHash: aaaa}',
  NodeEnrollment: 'spec: {certificateUID: u1}',
};

/** What the server itself says, or never shows again, by its name at any depth. */
const notTheirs = new Set([
  'status',
  'metadata',
  'stringData',
  'clusterIP',
  'clusterIPs',
  'ipFamilies',
  'finalizers',
  // Of a signing request: who asks.
  'username',
  'uid',
  'groups',
  'extra',
]);

const seeds = fc.array(fc.array(fc.nat(1_000), { minLength: 2, maxLength: 6 }), { minLength: 8, maxLength: 8 });

describe('an object of any kind, applied and read back,', () => {
  let server: TestRest;
  let request: string;
  let names = 0;
  beforeAll(async () => {
    server = await startTestRest();
    const made = await createSigningRequest({ user: 'jane', groups: [] });
    request = Buffer.from(made.request).toString('base64');
  });
  afterAll(() => server.stop());

  const pathOf = ({ group, version, plural, namespaced }: KindEntry): string =>
    `${group ? `/apis/${group}` : '/api'}/${version}${namespaced ? '/namespaces/default' : ''}/${plural}`;

  function bodyOf(entry: KindEntry): Record<string, unknown> {
    if (entry.kind === 'CertificateSigningRequest') {
      return { spec: { request, signerName: 'example.com/any', usages: ['client auth'] } };
    }
    return parse(`{${least[`${entry.kind} ${apiVersionOf(entry)}`] ?? least[entry.kind] ?? ''}}`);
  }

  const apply = (entry: KindEntry, name: string, body: object, more = '') =>
    server.call('PATCH', `${pathOf(entry)}/${name}?fieldManager=test&force=true${more}`, {
      body: { apiVersion: apiVersionOf(entry), kind: entry.kind, metadata: { name }, ...body },
      headers: { 'content-type': 'application/apply-patch+yaml' },
    });

  const stored = servedKinds.filter((entry) => verbsOf(entry).includes('patch') && verbsOf(entry).includes('create'));
  it.each(stored.map((entry) => [`${entry.kind} of ${apiVersionOf(entry)}`, entry] as const))(
    'shows all that was said of a %s, in JSON and in protobuf',
    async (_name, entry) => {
      await fc.assert(
        fc.asyncProperty(arbitraryObject(entry), seeds, async (random, ways) => {
          let body = bodyOf(entry);
          const name = `one-${++names}`;
          expect((await apply(entry, name, body, '&dryRun=All')).json).toMatchObject({ kind: entry.kind });
          // Random values rarely make sense together: each is kept that the server takes.
          for (const way of ways) {
            const grown = grafted(body, random, way) as Record<string, unknown>;
            const { status } = await apply(entry, name, grown, '&dryRun=All');
            if (status < 300) body = grown;
          }
          const answer = await apply(entry, name, body);
          expect(answer.status, answer.text).toBe(201);
          const at = `${pathOf(entry)}/${name}`;
          const json = (await server.call('GET', at)).json;
          expect(missing(json, body), JSON.stringify(body)).toEqual([]);
          const { bytes } = await server.call('GET', at, { headers: { accept: protobufType } });
          expect(missing(decodeProtobuf(bytes), body), JSON.stringify(body)).toEqual([]);
        }),
        { numRuns: 3 },
      );
    },
  );
});

/** A copy of `base` that has, at a place found by following the seeds, what stands there in `other`. */
function grafted(base: unknown, other: unknown, [seed = 0, ...rest]: readonly number[]): unknown {
  if (!isObject(other)) return other;
  const keys = Object.keys(other).filter((key) => !notTheirs.has(key) && key !== 'apiVersion' && key !== 'kind');
  const key = keys[seed % (keys.length || 1)];
  if (key === undefined) return base;
  const own = isObject(base) ? base : {};
  const below = rest.length > 0 && isObject(other[key]) ? grafted(own[key], other[key], rest) : other[key];
  return below === undefined ? own : { ...own, [key]: below };
}

/** The paths at which `read` does not say what `given` says; items of lists may stand among others. */
function missing(read: unknown, given: unknown, path = ''): string[] {
  if (Array.isArray(given)) {
    if (!Array.isArray(read)) return [path];
    let from = 0;
    return given.flatMap((item, index) => {
      const found = read.findIndex((one, at) => at >= from && missing(one, item).length === 0);
      from = found + 1;
      return found < 0 ? [`${path}[${index}]`] : [];
    });
  }
  if (!isObject(given)) return saysNothing(given) && read === undefined ? [] : Object.is(read, given) ? [] : [path];
  if (read === undefined && Object.values(given).every(saysNothing)) return [];
  if (!isObject(read)) return [path];
  return Object.entries(given).flatMap(([key, value]) =>
    notTheirs.has(key) ? [] : missing(read[key], value, `${path}.${key}`),
  );
}

/** As protobuf, a zero that no rule tells from absence is absent. */
function saysNothing(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isObject(value)) return Object.values(value).every(saysNothing);
  return value === '' || value === 0 || value === false || value === '0' || value === '0s';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
