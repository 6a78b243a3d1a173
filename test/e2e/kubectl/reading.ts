import { expect } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type Suite, shellPod } from './suite.ts';

/** get, describe, explain, events, wait, api-resources, api-versions, cluster-info, version. */
export function reading({ promise, cluster }: Suite): void {
  promise('gets in every form of output', async (space) => {
    await space.ok('create configmap one --from-literal=a=b');
    await space.ok('create configmap two --from-literal=a=c --from-literal=d=e');
    await space.ok('label configmap one app=x');
    await space.says({
      'get configmap one two --show-labels': `NAME   DATA   AGE   LABELS
one    1      1s    app=x
two    2      1s    <none>`,
      'get configmap -l app -L app --no-headers': 'one   1     1s    x',
      'get cm/one -o name': 'configmap/one',
      "get cm one -o jsonpath='{.data.a} {.nothing}'": 'b',
      "get cm one -o go-template='{{range $k, $v := .data}}{{$k}}={{$v}}{{end}}'": 'a=b',
      'get cm one two -o custom-columns=N:.metadata.name,A:.data.a,NO:.data.no --sort-by=.data.a': `N     A   NO
one   b   <none>
two   c   <none>`,
      'get cm one -o yaml': `apiVersion: v1
data:
  a: b
kind: ConfigMap
metadata:
  creationTimestamp: "2026-01-01T00:00:00Z"
  labels:
    app: x
  name: one
  namespace: ${space.name}
  resourceVersion: "${await space.ok("get cm one -o jsonpath='{.metadata.resourceVersion}'")}"
  uid: 00000000-0000-0000-0000-000000000000`,
      'get cm --field-selector metadata.name=two --show-kind': `NAME            DATA   AGE
configmap/two   2      1s`,
      'get cm --chunk-size=1 -o name': 'configmap/kube-root-ca.crt\nconfigmap/one\nconfigmap/two',
      'get cm nope --ignore-not-found': '',
    });
    expect(await space.ok('get cm one -o yaml --show-managed-fields')).toMatch(/managedFields:\n {2}- apiVersion: v1/);
    expect(JSON.parse(await space.ok('get cm -o json')).items).toHaveLength(3);
  });

  promise('says what is not there, and what it may not be asked', async (space) => {
    await space.ok('create configmap one');
    expect(await space.run('get pods')).toEqual({
      code: 0,
      out: '',
      err: `No resources found in ${space.name} namespace.\n`,
    });
    await space.fails({
      'get pods nope': 'Error from server (NotFound): pods "nope" not found',
      'get cm one nope -o name': 'Error from server (NotFound): configmaps "nope" not found',
      'get foo': `error: the server doesn't have a resource type "foo"`,
      'get cm one --subresource=status':
        'Error from server (NotFound): the server could not find the requested resource',
      'get pods --field-selector bad=1':
        'Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "", field selector "bad=1": field label not supported: bad',
      "get pods -l 'a in (b'": `Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "a in (b", field selector "": unable to parse requirement: found '', expected: ',' or ')'`,
      'get --raw /nope': 'Error from server (NotFound): the server could not find the requested resource',
      'get pods --as=nobody': `Error from server (Forbidden): pods is forbidden: User "nobody" cannot list resource "pods" in API group "" in the namespace "${space.name}"`,
    });
  });

  promise('watches what comes, changes and goes', async (space) => {
    const watching = space.start('get configmaps -w --watch-only --output-watch-events --no-headers');
    const tables = space.start('get configmaps -w --field-selector metadata.name=late');
    const lines = (): string[] => watching.so.out.split('\n').filter((line) => line.includes('late'));
    await eventually(
      async () => {
        if (watching.so.out.includes('early')) return true;
        await space.ok('create configmap early');
        await space.ok('delete configmap early');
        return false;
      },
      { timeoutMs: 30_000 },
    );
    await space.ok('create configmap late');
    await space.ok('label configmap late a=b');
    await space.ok('delete configmap late');
    await eventually(() => lines().length >= 3, { timeoutMs: 20_000 });
    expect(lines().map((line) => line.split(/ +/).slice(0, 2).join(' '))).toEqual([
      'ADDED late',
      'MODIFIED late',
      'DELETED late',
    ]);
    await eventually(() => tables.so.out.split('\n').length > 3, { timeoutMs: 20_000 });
    expect(tables.so.out).toMatch(/^NAME +DATA +AGE\nlate +0 +\d+s\n/);
    for (const { child } of [watching, tables]) child.kill();
  });

  promise('describes a pod with where it is, how it is and what happened to it', async (space) => {
    await space.apply(shellPod('told', 'sleep 1000', { nodeName: cluster().machine(1).name }));
    await space.ok('wait --for=condition=Ready pod/told --timeout=40s');
    const told = await eventually(
      async () => {
        const text = await space.ok('describe pod told');
        return text.includes('Started') ? text : undefined;
      },
      { timeoutMs: 20_000 },
    );
    for (const line of [
      /^Name: +told$/m,
      /^Priority: +0$/m,
      /^Service Account: +default$/m,
      /^Node: +node-1\/\d+\.\d+\.\d+\.\d+$/m,
      /^Status: +Running$/m,
      /^ {2}IP: +\d+\.\d+\.\d+\.\d+$/m,
      /^ {4}Container ID: +docker:\/\/[0-9a-f]{64}$/m,
      /^ {4}Image ID: +docker:\/\/sha256:[0-9a-f]{64}$/m,
      /^ {4}State: +Running$/m,
      /^ {2}Ready +True/m,
      /^QoS Class: +BestEffort$/m,
      /^ {2}Normal +Pulled +\S+ +kubelet +Container image "coracle-demo\/shell:1" already present on machine$/m,
      /^ {2}Normal +Started +\S+ +kubelet +Started container shell$/m,
    ]) {
      expect(told).toMatch(line);
    }
    expect(await space.ok('describe pod/told --show-events=false')).not.toContain('Started container');
    const events = await space.ok('events --for pod/told --types=Normal');
    expect(events).toMatch(/^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n/);
    expect(events).toMatch(/Normal +Started +Pod\/told +Started container shell/);
    expect(await space.ok('get events --field-selector involvedObject.name=told,reason=Started')).toMatch(
      /Normal +Started +pod\/told +Started container shell/,
    );
    expect(await space.ok('events -A')).toMatch(/^NAMESPACE +LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n/);
    expect((await space.run('events --types=Warning')).out).toBe('');
  });

  promise('describes configuration, access and limits', async (space) => {
    await space.ok('create configmap c --from-literal=a=b');
    await space.ok('create secret generic s --from-literal=p=word');
    await space.ok('create role r --verb=get,list --resource=pods');
    await space.ok('create rolebinding b --role=r --serviceaccount=x:bot');
    await space.ok('create quota q --hard=pods=5,configmaps=20');
    await space.says({
      'describe configmap c': `Name:         c
Namespace:    ${space.name}
Labels:       <none>
Annotations:  <none>

Data
====
a:
----
b


BinaryData
====

Events:  <none>`,
      'describe secret s': `Name:         s
Namespace:    ${space.name}
Labels:       <none>
Annotations:  <none>

Type:  Opaque

Data
====
p:  4 bytes`,
      'describe role r': `Name:         r
Labels:       <none>
Annotations:  <none>
PolicyRule:
  Resources  Non-Resource URLs  Resource Names  Verbs
  ---------  -----------------  --------------  -----
  pods       []                 []              [get list]`,
      'describe rolebinding b': `Name:         b
Labels:       <none>
Annotations:  <none>
Role:
  Kind:  Role
  Name:  r
Subjects:
  Kind            Name  Namespace
  ----            ----  ---------
  ServiceAccount  bot   x`,
      'describe sa default': new RegExp(
        `^Name:  default\\nNamespace:  ${space.name}\\nLabels:  <none>\\nAnnotations:  <none>\\nImage pull secrets:  <none>\\n(Mountable secrets:  <none>\\nTokens:  <none>\\n)?Events:  <none>$`,
      ),
      [`describe namespace ${space.name}`]:
        /Status: {2}Active\n\nResource Quotas\n {2}Name: {2}q\n {2}Resource {2}Used {2}Hard/,
      'describe service kubernetes -n default':
        /Port: {2}https {2}443\/TCP\nTargetPort: {2}\d+\/TCP\nEndpoints: {2}IP:\d+/,
    });
    await space.fails({
      'describe pods nope': 'Error from server (NotFound): pods "nope" not found',
      'describe foo': `error: the server doesn't have a resource type "foo"`,
    });
  });

  promise('describes nodes with what they have and what is on them', async (space) => {
    const told = await space.ok(`describe node ${cluster().machine(2).name}`);
    for (const line of [
      /^Labels: +beta\.kubernetes\.io\/arch=/m,
      /^Taints: +<none>$/m,
      /^ {2}HolderIdentity: +node-2$/m,
      /^ {2}Ready +True .* KubeletReady +kubelet is posting ready status$/m,
      /^ {2}InternalIP: +\d/m,
      /^Capacity:\n {2}cpu: +\d+\n {2}ephemeral-storage: +\d+Ki\n[\s\S]* {2}pods: +110$/m,
      /^ {2}Container Runtime Version: +docker:\/\//m,
      /^PodCIDR: +\d+\.\d+\.\d+\.0\/24$/m,
      /^Non-terminated Pods: +\(\d+ in total\)$/m,
      /^ {2}cpu +\d+m? \(\d+%\) +\d+m? \(\d+%\)$/m,
    ]) {
      expect(told).toMatch(line);
    }
    expect(await space.ok('get nodes -o wide')).toMatch(
      /^NAME +STATUS +ROLES +AGE +VERSION +INTERNAL-IP +EXTERNAL-IP +OS-IMAGE +KERNEL-VERSION +CONTAINER-RUNTIME\n/,
    );
  });

  promise('explains fields however deep, and says when there is none', async (space) => {
    expect(await space.ok('explain pods.spec.containers.ports.containerPort')).toMatch(
      /^KIND: {7}Pod\nVERSION: {4}v1\n\nFIELD: containerPort <integer>\n\n\nDESCRIPTION:\n/,
    );
    expect(await space.ok('explain deploy --recursive')).toMatch(
      /^GROUP: {6}apps\nKIND: {7}Deployment\n[\s\S]*\n {2}spec\t<DeploymentSpec>( -required-)?\n[\s\S]*\n {6}spec\t<PodSpec>/,
    );
    expect(await space.ok('explain hpa --api-version=autoscaling/v1')).toMatch(
      /^GROUP: {6}autoscaling\n[\s\S]*VERSION: {4}v1\n/,
    );
    expect(await space.ok('explain pod --output=plaintext-openapiv2')).toMatch(/^KIND: {5}Pod\nVERSION: {2}v1\n/);
    await space.fails({
      'explain pods.nope': 'error: field "nope" does not exist',
      'explain foo': `the server doesn't have a resource type "foo"`,
    });
  });

  promise('lists what is served', async (space) => {
    expect((await space.ok('api-versions')).split('\n')).toEqual(
      expect.arrayContaining([
        'apps/v1',
        'autoscaling/v2',
        'batch/v1',
        'policy/v1',
        'rbac.authorization.k8s.io/v1',
        'v1',
      ]),
    );
    const resources = await space.ok('api-resources');
    expect(resources).toMatch(/^NAME +SHORTNAMES +APIVERSION +NAMESPACED +KIND\n/);
    expect(resources).toMatch(/^deployments +deploy +apps\/v1 +true +Deployment$/m);
    expect(await space.ok('api-resources -o wide')).toMatch(
      /^pods +po +v1 +true +Pod +create,delete,deletecollection,get,list,patch,update,watch +all$/m,
    );
    await space.says({
      'api-resources --api-group=rbac.authorization.k8s.io --namespaced=false -o name':
        'clusterrolebindings.rbac.authorization.k8s.io\nclusterroles.rbac.authorization.k8s.io',
      'api-resources --api-group=authentication.k8s.io --verbs=create --sort-by=name --no-headers': `selfsubjectreviews            authentication.k8s.io/v1   false   SelfSubjectReview
tokenreviews                  authentication.k8s.io/v1   false   TokenReview`,
    });
  });

  promise('tells of the cluster and its version', async (space) => {
    const { rest } = cluster().file;
    await space.says({
      'cluster-info': `Kubernetes control plane is running at ${rest}\n\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.`,
      'cluster-info dump --namespaces=default --output-directory=dumped': 'Cluster info dumped to dumped',
      'get --raw /readyz': 'ok',
      'get --raw /livez?verbose': /^\[\+\]ping ok\n[\s\S]*livez check passed$/,
      'get --raw /version': /^\{\n {2}"major": "1",\n {2}"minor": "32",\n/,
    });
    expect(await space.ok('version')).toMatch(/Server Version: v1\.32\.\d+\+coracle\n/);
    expect(JSON.parse(await space.ok('version -o json')).serverVersion.major).toBe('1');
    expect(await space.run('get componentstatuses')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^etcd-0 +Healthy +ok/m),
      err: 'Warning: v1 ComponentStatus is deprecated in v1.19+\n',
    });
  });

  promise('waits for conditions, values, what comes and what goes', async (space) => {
    await space.ok('create configmap there --from-literal=a=b');
    const coming = space.start('wait --for=create configmap/coming --timeout=40s');
    await space.apply(shellPod('short', 'exit 0', { restartPolicy: 'Never' }));
    await space.ok('create configmap coming');
    expect(await coming.done).toMatchObject({ code: 0, out: 'configmap/coming condition met\n' });
    await space.says({
      "wait --for=jsonpath='{.status.phase}'=Succeeded pod/short --timeout=40s": 'pod/short condition met',
      "wait --for=jsonpath='{.data.a}'=b configmap/there": 'configmap/there condition met',
      'delete pod short --wait=false': 'pod "short" deleted',
      'wait --for=delete pod/short --timeout=40s': '',
    });
    await space.fails({
      'wait --for=condition=Ready pod/nope --timeout=1s': 'Error from server (NotFound): pods "nope" not found',
      'wait --for=delete configmap/there --timeout=2s':
        'error: timed out waiting for the condition on configmaps/there',
      "wait --for=jsonpath='{.data.a}'=z configmap/there --timeout=2s":
        'error: timed out waiting for the condition on configmaps/there',
    });
  });
}
