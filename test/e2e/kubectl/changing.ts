import { expect } from 'vitest';
import type { Suite } from './suite.ts';

/** apply, diff, edit, kustomize, label, annotate, patch, replace, set. */
export function changing({ promise }: Suite): void {
  promise('applies, and remembers what was applied last', async (space) => {
    const map = (a: string): string => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {a: "${a}"}\n`;
    space.file('map.yaml', map('1'));
    await space.says({
      'apply -f map.yaml --dry-run=server': 'configmap/app created (server dry run)',
      'apply -f map.yaml': 'configmap/app created',
      'apply -f map.yaml -o name': 'configmap/app',
      // Since 1.36 the client compares.
      'apply -f map.yaml --dry-run=client': /^configmap\/app (configured|unchanged) \(dry run\)$/,
      'apply view-last-applied configmap/app -o json': `{
  "apiVersion": "v1",
  "data": {
    "a": "1"
  },
  "kind": "ConfigMap",
  "metadata": {
    "annotations": {},
    "name": "app",
    "namespace": "${space.name}"
  }
}`,
    });
    space.file('map.yaml', map('2'));
    const { code, out } = await space.run('diff -f map.yaml');
    expect(code).toBe(1);
    expect(out).toMatch(/^- {2}a: "1"\n\+ {2}a: "2"$/m);
    await space.says({
      'apply set-last-applied -f map.yaml': 'configmap/app configured',
      'apply set-last-applied -f map.yaml --create-annotation': 'set-last-applied app: no changes required.',
      'apply -f map.yaml': 'configmap/app configured',
      'diff -f map.yaml': '',
    });
    const env = { EDITOR: `sed -i 's/"2"/"3"/'` };
    await space.says({ 'apply edit-last-applied configmap/app': 'configmap/app edited' }, { env });
    expect(await space.ok('apply view-last-applied configmap/app')).toContain('a: "3"');
    await space.says({
      'apply -f map.yaml --server-side': 'configmap/app serverside-applied',
      "get configmap app -o jsonpath='{.data}'": '{"a":"2"}',
    });
    space.file('map.yaml', map('4'));
    const refused = await space.run('apply -f map.yaml --server-side --field-manager=other');
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(
      /^error: Apply failed with 1 conflict: conflict with "kubectl[\w-]*".*: \.data\.a\nPlease review the fields above--they currently have other managers\./,
    );
    await space.says({
      'apply -f map.yaml --server-side --field-manager=other --force-conflicts': 'configmap/app serverside-applied',
    });
  });

  promise('builds, applies, compares and deletes what a kustomization says, and prunes', async (space) => {
    space.file('kustomization.yaml', {
      resources: ['map.yaml'],
      namePrefix: 'my-',
      labels: [{ pairs: { team: 'a' } }],
      configMapGenerator: [{ name: 'gen', literals: ['x=y'] }],
    });
    space.file('map.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\n');
    await space.says({
      'kustomize .': `apiVersion: v1
kind: ConfigMap
metadata:
  labels:
    team: a
  name: my-app
---
apiVersion: v1
data:
  x: "y"
kind: ConfigMap
metadata:
  labels:
    team: a
  name: my-gen-6gc9d749f7`,
      'apply -k .': 'configmap/my-app created\nconfigmap/my-gen-6gc9d749f7 created',
      'diff -k .': '',
    });
    space.file('map.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: my-app, labels: {team: a}}\n');
    await space.says({
      'apply -f map.yaml -l team=a --prune --prune-allowlist=core/v1/ConfigMap':
        'configmap/my-app unchanged\nconfigmap/my-gen-6gc9d749f7 pruned',
      'delete -f map.yaml': 'configmap "my-app" deleted',
    });
  });

  promise('patches in each way, and says what is wrong with a patch', async (space) => {
    await space.ok('create deployment d --image=coracle-demo/shell:1 --replicas=0');
    await space.ok('create configmap c --from-literal=a=b');
    const image = '{"spec":{"template":{"spec":{"containers":[{"name":"shell","env":[{"name":"A","value":"b"}]}]}}}}';
    const none = JSON.stringify({ spec: { replicas: 0 } });
    const op = (path: string): string => `[{"op":"remove","path":"${path}"}]`;
    await space.says({
      [`patch deployment d -p '${image}'`]: 'deployment.apps/d patched',
      [`patch deployment d -p '${image}' --dry-run=server`]: 'deployment.apps/d patched (no change)',
      "get deployment d -o jsonpath='{.spec.template.spec.containers[*].image} {.spec.template.spec.containers[*].env}'":
        'coracle-demo/shell:1 [{"name":"A","value":"b"}]',
      [`patch deployment d --subresource=scale --type=merge -p '${none}'`]: /scale.autoscaling\/d patched/,
      [`patch configmap c --type=json -p '${op('/data/a')}'`]: 'configmap/c patched',
      'patch configmap c --type=merge -p \'{"data":{"k":"1","a":null}}\' -o yaml': /^ {2}k: "1"$/m,
    });
    await space.fails({
      [`patch configmap c --type=json -p '${op('/data/nope')}'`]:
        'The request is invalid: the server rejected our request due to an error in our request: the path /data/nope does not exist',
      "patch pod nope -p '{}'": 'Error from server (NotFound): pods "nope" not found',
      'patch configmap c -p nonsense': /^Error from server \(BadRequest\): .*patch/,
    });
  });

  promise('edits with an editor, and changes nothing when nothing was edited', async (space) => {
    await space.ok('create configmap c --from-literal=one=1');
    await space.says({ 'edit configmap c': 'configmap/c edited' }, { env: { EDITOR: 'sed -i s/one:/two:/' } });
    await space.says({ "get configmap c -o jsonpath='{.data}'": '{"two":"1"}' });
    const idle = await space.run('edit configmap c', { env: { KUBE_EDITOR: 'true' } });
    expect(idle).toMatchObject({ code: 0, err: 'Edit cancelled, no changes made.\n' });
    const renamed = await space.run('edit configmap c', { env: { EDITOR: 'sed -i s/name:.c/name:\\ d/' } });
    expect(renamed.code).toBe(1);
    expect(renamed.err).toContain('error: At least one of apiVersion, kind and name was changed\n');
  });

  promise('replaces, by force too, and only what is there in the version that was named', async (space) => {
    const map = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'c', resourceVersion: '1' },
      data: { a: 'b' },
    };
    await space.ok('create configmap c');
    space.file('old.json', map);
    space.file('map.json', { ...map, metadata: { name: 'c' } });
    space.file('nope.json', { ...map, metadata: { name: 'nope' } });
    await space.says({
      'replace -f map.json': 'configmap/c replaced',
      'replace --force -f map.json': 'configmap "c" deleted\nconfigmap/c replaced',
    });
    await space.fails({
      'replace -f old.json':
        'Error from server (Conflict): error when replacing "old.json": Operation cannot be fulfilled on configmaps "c": the object has been modified; please apply your changes to the latest version and try again',
      'replace -f nope.json':
        'Error from server (NotFound): error when replacing "nope.json": configmaps "nope" not found',
    });
  });

  promise('labels and annotates, and overwrites only when told to', async (space) => {
    await space.ok('create configmap c');
    await space.says({
      'label configmap c app=x tier=y': 'configmap/c labeled',
      'label configmap c app=x': 'configmap/c not labeled',
      'label configmap c app=z --overwrite': 'configmap/c labeled',
      'label configmap c tier-': 'configmap/c unlabeled',
      'label configmap c nope-': 'label "nope" not found.\nconfigmap/c not labeled',
      'label configmap c --list': 'app=z',
      'label configmaps --all one=1 --dry-run=server':
        'configmap/c labeled (server dry run)\nconfigmap/kube-root-ca.crt labeled (server dry run)',
      "annotate configmap c note='a b'": 'configmap/c annotated',
      'annotate configmap c --list': 'note=a b',
      'annotate configmap c note-': 'configmap/c annotated',
    });
    await space.fails({
      'label configmap c app=y': `error: 'app' already has a value (z), and --overwrite is false`,
      'annotate configmap nope a=b': 'Error from server (NotFound): configmaps "nope" not found',
      "label configmap c 'a=!!'": `error: invalid label value: "a=!!": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
    });
  });

  promise('sets images, variables, resources, accounts, selectors and subjects', async (space) => {
    await space.ok('create deployment d --image=coracle-demo/web:1 --replicas=0');
    await space.ok('create configmap c --from-literal=FROM=map');
    await space.ok('create service clusterip s --tcp=80');
    await space.ok('create rolebinding b --clusterrole=view --user=adam');
    const container = '{.spec.template.spec.containers[0]';
    await space.says({
      'set image deployment/d web=coracle-demo/shell:1': 'deployment.apps/d image updated',
      'set image deployment/d *=coracle-demo/shell:1': '',
      'set env deployment/d A=b': 'deployment.apps/d env updated',
      'set env deployment/d --from=configmap/c --prefix=C_': 'deployment.apps/d env updated',
      'set env deployment/d --list --resolve': '# Deployment d, container web\nA=b\nC_FROM=map',
      'set env deployment/d A-': 'deployment.apps/d env updated',
      'set resources deployment/d --limits=cpu=200m,memory=64Mi --requests=cpu=10m':
        'deployment.apps/d resource requirements updated',
      'set serviceaccount deployment/d default': 'deployment.apps/d serviceaccount updated',
      'set selector service/s x=y': 'service/s selector updated',
      'set subject rolebinding/b --user=eve --group=team': 'rolebinding.rbac.authorization.k8s.io/b subjects updated',
      [`get deployment d -o jsonpath='${container}.image} ${container}.resources}'`]:
        'coracle-demo/shell:1 {"limits":{"cpu":"200m","memory":"64Mi"},"requests":{"cpu":"10m"}}',
      'get rolebinding b -o wide': `NAME   ROLE               AGE   USERS      GROUPS   SERVICEACCOUNTS
b      ClusterRole/view   1s    adam, eve   team`,
    });
    await space.fails({ 'set image deployment/d nope=x': 'error: unable to find container named "nope"' });
  });
}
