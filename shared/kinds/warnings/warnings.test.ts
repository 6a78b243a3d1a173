import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import type { KubeObject } from '../../object.ts';
import { kindNamed } from '../index.ts';
import { keyPairFault } from './key-pair.ts';

/** An object as it is stored: decoded and defaulted. */
function object(kind: Parameters<typeof kindNamed>[0], body: object): KubeObject {
  const def = kindNamed(kind);
  const whole = { apiVersion: def.group ? `${def.group}/${def.version}` : def.version, kind, ...body };
  const made = def.schema.decode(whole, { validation: 'Ignore' }).object;
  def.schema.applyDefaults(made);
  def.strategy.default?.(made);
  return made;
}

const warningsOf = (kind: Parameters<typeof kindNamed>[0], made: KubeObject, old?: KubeObject) =>
  kindNamed(kind).strategy.warnings?.(made, old) ?? [];
const said = (kind: Parameters<typeof kindNamed>[0], body: object) => warningsOf(kind, object(kind, body));
const container = { name: 'a', image: 'b' };
const pod = (spec: object, metadata: object = {}) =>
  said('Pod', { metadata: { name: 'p', ...metadata }, spec: { containers: [container], ...spec } });

test('warns about fields of a pod that are deprecated in Kubernetes, by path', () => {
  const spec = {
    nodeSelector: { 'beta.kubernetes.io/os': 'linux' },
    topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'failure-domain.beta.kubernetes.io/zone' }],
    volumes: [
      { name: 'g', gitRepo: { repository: 'r' } },
      { name: 's', storageos: { volumeName: 'v' } },
    ],
  };
  const annotations = {
    'scheduler.alpha.kubernetes.io/critical-pod': '',
    'seccomp.security.alpha.kubernetes.io/pod': 'runtime/default',
    'container.apparmor.security.beta.kubernetes.io/a': 'runtime/default',
  };
  expect(pod(spec, { name: 'a.b', annotations })).toEqual([
    "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
    'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
    'spec.topologySpreadConstraints[0].topologyKey: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    'spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod',
    'metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the "priorityClassName" field instead',
    'metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; use the "seccompProfile" field instead',
    'metadata.annotations[container.apparmor.security.beta.kubernetes.io/a]: deprecated since v1.30; use the "appArmorProfile" field instead',
    'spec.volumes[0].gitRepo: deprecated in v1.11',
    'spec.volumes[1].storageOS: deprecated in v1.22, non-functional in v1.25+',
  ]);
});

test('warns about suspicious fields of a pod', () => {
  const env = [
    { name: 'A', value: '1' },
    { name: 'A', value: '2' },
    { name: 'B', value: 'b' },
    { name: 'B', value: '$(B)c' },
  ];
  const ports = [{ containerPort: 80, hostPort: 8080 }, { containerPort: 80 }];
  const containers = [
    { ...container, env, ports, resources: { limits: { memory: '1500m' }, requests: { memory: '2' } } },
    { name: 'b', image: 'c', ports: [{ containerPort: 80 }] },
  ];
  const hostAliases = [{ ip: '10.0.0.1' }, { ip: '10.0.0.1' }];
  expect(pod({ containers, hostAliases, imagePullSecrets: [{ name: 'x' }, { name: 'x' }] })).toEqual([
    'spec.hostAliases[1].ip: duplicate ip "10.0.0.1"',
    'spec.imagePullSecrets[1].name: duplicate name "x"',
    'spec.containers[0].resources.limits[memory]: fractional byte value "1500m" is invalid, must be an integer',
    'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
    'spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]',
    'spec.containers[1].ports[0]: overlapping port definition with spec.containers[0].ports[0]',
    'spec.containers[1].ports[0]: duplicate port definition with spec.containers[0].ports[1]',
  ]);
});

test('does not warn about correct objects', () => {
  const large = { resources: { requests: { storage: '16Ei' } }, accessModes: ['ReadWriteOnce'] };
  expect(pod({})).toEqual([]);
  expect(said('PersistentVolumeClaim', { metadata: { name: 'c' }, spec: large })).toEqual([]);
  expect(said('ConfigMap', { metadata: { name: 'a.b' } })).toEqual([]);
});

test('speaks of a template when it is new, and of a pod only when that is made', () => {
  const template = { spec: { containers: [container], nodeSelector: { 'beta.kubernetes.io/arch': 'arm' } } };
  const made = object('Deployment', { metadata: { name: 'd', generation: 1 }, spec: { template } });
  const advice =
    'spec.template.spec.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14; use "kubernetes.io/arch" instead';
  expect(warningsOf('Deployment', made)).toEqual([advice]);
  expect(warningsOf('Deployment', made, made)).toEqual([]);
  const changed = { ...made, metadata: { ...made.metadata, generation: 2 } };
  expect(warningsOf('Deployment', changed, made)).toEqual([advice]);
  const dotted = object('Pod', { metadata: { name: 'a.b' }, spec: { containers: [container] } });
  expect(warningsOf('Pod', dotted, dotted)).toEqual([]);
});

test('warns about other kinds as Kubernetes does', () => {
  const ports = [{ port: 80 }];
  const headless = { clusterIP: 'None', loadBalancerIP: '1.2.3.4', externalName: 'x', ports };
  expect(said('Service', { metadata: { name: 's' }, spec: headless })).toEqual([
    'spec.loadBalancerIP is ignored for headless services',
    'spec.externalName is ignored when spec.type is not "ExternalName"',
  ]);
  const annotations = { 'kubernetes.io/ingress.class': 'nginx' };
  const ingress = { metadata: { name: 'i', annotations }, spec: {} };
  expect(said('Ingress', ingress)).toEqual([
    `annotation "kubernetes.io/ingress.class" is deprecated, please use 'spec.ingressClassName' instead`,
  ]);
  expect(said('Ingress', { ...ingress, spec: { ingressClassName: 'nginx' } })).toEqual([]);
  const volume = { persistentVolumeReclaimPolicy: 'Recycle', cephfs: { monitors: ['a'] } };
  expect(said('PersistentVolume', { metadata: { name: 'v' }, spec: volume })).toEqual([
    'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
    'spec.cephfs: deprecated in v1.28, non-functional in v1.31+',
  ]);
  const claims = [{ spec: { resources: { requests: { storage: '500m' } } } }];
  const set = { volumeClaimTemplates: claims, revisionHistoryLimit: -1, template: {} };
  expect(said('StatefulSet', { metadata: { name: 's' }, spec: set })).toEqual([
    'spec.volumeClaimTemplates[0].resources.requests[storage]: fractional byte value "500m" is invalid, must be an integer',
    'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended',
  ]);
});

test('warns about an invalid certificate and key of a TLS secret', () => {
  const pem = (type: string): string => `-----BEGIN ${type}-----\neA==\n-----END ${type}-----\n`;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  expect(keyPairFault('x', 'y')).toBe('tls: failed to find any PEM data in certificate input');
  expect(keyPairFault(key, key)).toMatch(/PEM inputs may have been switched$/);
  expect(keyPairFault(pem('CERTIFICATE'), 'y')).toBe('tls: failed to find any PEM data in key input');
  expect(keyPairFault(pem('CERTIFICATE'), pem('CERTIFICATE'))).toMatch(/found a certificate rather than a key/);
  expect(keyPairFault(pem('CERTIFICATE'), key)).toBe('x509: malformed certificate');
});
