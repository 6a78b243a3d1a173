import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createSigningRequest } from '../../shared/pki/certificates.ts';
import { hasKubectl, inWordsOf132, kubectlProgram } from '../support/kubectl-program.ts';
import { startTestRest, type TestRest } from './rest-server.ts';

const run = promisify(execFile);
const found = hasKubectl();

/** By resource: the rest of a manifest, and what kubectl's wide table shows of it, but for its age. */
const kinds: ReadonlyArray<readonly [resource: string, head: string, body: string, shown: Record<string, string>]> = [
  [
    'roles',
    'rbac.authorization.k8s.io/v1, kind: Role',
    'rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]',
    { NAME: 'one' },
  ],
  [
    'clusterroles',
    'rbac.authorization.k8s.io/v1, kind: ClusterRole',
    'rules: [{nonResourceURLs: [/healthz], verbs: [get]}]',
    { NAME: 'one' },
  ],
  [
    'rolebindings',
    'rbac.authorization.k8s.io/v1, kind: RoleBinding',
    'roleRef: {kind: Role, name: one}, subjects: [{kind: User, name: jane}, {kind: ServiceAccount, name: default, namespace: default}]',
    { NAME: 'one', ROLE: 'Role/one', USERS: 'jane', SERVICEACCOUNTS: 'default/default' },
  ],
  [
    'clusterrolebindings',
    'rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding',
    'roleRef: {kind: ClusterRole, name: one}, subjects: [{kind: Group, name: devs}]',
    { NAME: 'one', ROLE: 'ClusterRole/one', GROUPS: 'devs' },
  ],
  [
    'priorityclasses',
    'scheduling.k8s.io/v1, kind: PriorityClass',
    'value: 7, globalDefault: true',
    { NAME: 'one', VALUE: '7', 'GLOBAL-DEFAULT': 'true', PREEMPTIONPOLICY: 'PreemptLowerPriority' },
  ],
  ['runtimeclasses', 'node.k8s.io/v1, kind: RuntimeClass', 'handler: runsc', { NAME: 'one', HANDLER: 'runsc' }],
  [
    'ingressclasses',
    'networking.k8s.io/v1, kind: IngressClass',
    'spec: {controller: example.com/proxy}',
    { NAME: 'one', CONTROLLER: 'example.com/proxy', PARAMETERS: '<none>' },
  ],
  [
    'ingresses',
    'networking.k8s.io/v1, kind: Ingress',
    'spec: {ingressClassName: one, rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}',
    { NAME: 'one', CLASS: 'one', HOSTS: 'a.example.com', PORTS: '80' },
  ],
  [
    'networkpolicies',
    'networking.k8s.io/v1, kind: NetworkPolicy',
    'spec: {podSelector: {matchLabels: {app: web}}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}',
    { NAME: 'one', 'POD-SELECTOR': 'app=web' },
  ],
  [
    'endpointslices',
    'discovery.k8s.io/v1, kind: EndpointSlice',
    'addressType: IPv4, endpoints: [{addresses: [10.1.2.3]}], ports: [{port: 80}]',
    { NAME: 'one', ADDRESSTYPE: 'IPv4', PORTS: '80', ENDPOINTS: '10.1.2.3' },
  ],
  [
    'storageclasses',
    'storage.k8s.io/v1, kind: StorageClass',
    'provisioner: example.com/disk',
    { NAME: 'one', PROVISIONER: 'example.com/disk', RECLAIMPOLICY: 'Delete', VOLUMEBINDINGMODE: 'Immediate' },
  ],
  [
    'volumeattachments',
    'storage.k8s.io/v1, kind: VolumeAttachment',
    'spec: {attacher: disk.example.com, nodeName: n1, source: {persistentVolumeName: pv}}',
    { NAME: 'one', ATTACHER: 'disk.example.com', PV: 'pv', NODE: 'n1', ATTACHED: 'false' },
  ],
  [
    'csidrivers',
    'storage.k8s.io/v1, kind: CSIDriver',
    'spec: {podInfoOnMount: true}',
    { NAME: 'one', ATTACHREQUIRED: 'true', PODINFOONMOUNT: 'true', TOKENREQUESTS: '<unset>', MODES: 'Persistent' },
  ],
  [
    'csinodes',
    'storage.k8s.io/v1, kind: CSINode',
    'spec: {drivers: [{name: disk.example.com, nodeID: i-1}]}',
    { NAME: 'one', DRIVERS: '1' },
  ],
  [
    'csistoragecapacities',
    'storage.k8s.io/v1, kind: CSIStorageCapacity',
    'storageClassName: one, capacity: 10Gi',
    { NAME: 'one', STORAGECLASSNAME: 'one', CAPACITY: '10Gi' },
  ],
];

describe.skipIf(!found)('kubectl and the kinds that govern', () => {
  let server: TestRest;

  /** Warnings are among the output, as a person sees them. */
  async function kubectl(args: readonly string[], input?: string): Promise<string> {
    const env = { PATH: process.env.PATH, HOME: server.dir, KUBECONFIG: server.kubeconfig };
    const running = run(kubectlProgram, [...args, `--cache-dir=${server.dir}/cache`], { env, timeout: 30_000 });
    running.child.stdin?.end(input ?? '');
    const { stdout, stderr } = await running;
    return inWordsOf132(stderr + stdout);
  }

  beforeAll(async () => {
    server = await startTestRest();
  });
  afterAll(() => server?.stop());

  it.each(kinds)('creates, shows, describes, explains, changes and deletes %s', async (resource, head, body, shown) => {
    const manifest = JSON.stringify(parse(`{apiVersion: ${head}, metadata: {name: one}, ${body}}`));
    expect(await kubectl(['create', '-f', '-'], manifest)).toMatch(/ created\n$/);

    const [titles = '', row = ''] = (await kubectl(['get', resource, 'one', '-o', 'wide'])).split('\n');
    const columns = [...titles.matchAll(/\S+( \S+)*\s*/g)];
    const cells = columns.map(({ 0: title, index }, at) => {
      return [title.trim(), row.slice(index, columns[at + 1]?.index).trim()];
    });
    expect(Object.fromEntries(cells)).toMatchObject(shown);

    expect(await kubectl(['describe', resource, 'one'])).toMatch(/^Name: +one\n/);
    expect(await kubectl(['explain', resource])).toMatch(/FIELDS:\n\s+(addressType|aggregationRule|allow|apiVersion)/);
    expect(await kubectl(['label', resource, 'one', 'a=b'])).toMatch(/ labeled\n$/);
    expect(await kubectl(['get', resource, '-l', 'a=b', '-o', 'name'])).toMatch(/\/one\n$/);
    expect(await kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], manifest)).toMatch(
      / serverside-applied\n$/,
    );
    expect(await kubectl(['delete', resource, 'one'])).toMatch(/ deleted\n$/);
  });

  it('warns of what nothing acts on', async () => {
    const manifest = 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: wall}\n';
    expect(await kubectl(['create', '-f', '-'], manifest)).toBe(
      'Warning: Coracle does not act on a NetworkPolicy yet: it is stored, but no traffic is blocked\nnetworkpolicy.networking.k8s.io/wall created\n',
    );
  });

  it("warns of what is deprecated in Kubernetes' words, when it is made and when it is changed", async () => {
    const manifest = (image: string): string =>
      JSON.stringify({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'old' },
        spec: {
          selector: { matchLabels: { a: 'b' } },
          template: {
            metadata: { labels: { a: 'b' } },
            spec: { containers: [{ name: 'c', image }], nodeSelector: { 'beta.kubernetes.io/os': 'linux' } },
          },
        },
      });
    const warning =
      'Warning: spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead\n';
    const apply = (image: string) => kubectl(['apply', '-f', '-'], manifest(image));
    expect(await apply('one')).toBe(`${warning}deployment.apps/old created\n`);
    expect(await apply('two')).toBe(`${warning}deployment.apps/old configured\n`);
    expect(await apply('two')).toBe('deployment.apps/old unchanged\n');
    expect(await kubectl(['scale', 'deployment/old', '--replicas=2'])).toBe('deployment.apps/old scaled\n');
  });

  it('requests a certificate, approves it, and denies another', async () => {
    for (const name of ['yes', 'no']) {
      const { request } = await createSigningRequest({ user: name, groups: ['devs'] });
      const spec = { request: Buffer.from(request).toString('base64'), signerName: 'example.com/s', usages: ['any'] };
      const body = {
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'CertificateSigningRequest',
        metadata: { name },
        spec,
      };
      expect(await kubectl(['create', '-f', '-'], JSON.stringify(body))).toMatch(/\/(yes|no) created\n$/);
    }
    expect(await kubectl(['certificate', 'approve', 'yes'])).toMatch(/approved\n$/);
    expect(await kubectl(['certificate', 'deny', 'no'])).toMatch(/denied\n$/);
    await expect(kubectl(['certificate', 'deny', 'yes'])).rejects.toThrow(/is already Approved/);
    const table = await kubectl(['get', 'csr', '--no-headers', '--field-selector', 'spec.signerName=example.com/s']);
    expect(table.split('\n').map((line) => line.split(/\s+/).slice(-1).join())).toEqual(['Denied', 'Approved', '']);
    expect(await kubectl(['describe', 'csr', 'yes'])).toMatch(/Common Name: +yes/);
  });
});
