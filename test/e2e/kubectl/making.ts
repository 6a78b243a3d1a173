import { expect } from 'vitest';
import { type Suite, shellDeployment, shellPod } from './suite.ts';

/** create with all that it makes, run, expose, delete. */
export function making({ promise, cluster }: Suite): void {
  promise('makes configuration of literals, files and folders', async (space) => {
    space.file('conf/one.txt', 'first\n');
    space.file('conf/two.txt', 'second\n');
    space.file('some.env', 'A=b\n# no\nC=d\n');
    const { cert, key } = cluster().file;
    await space.says({
      'create configmap literals --from-literal=a=b --from-literal=c=d': 'configmap/literals created',
      'create configmap folder --from-file=conf': 'configmap/folder created',
      'create configmap lines --from-env-file=some.env': 'configmap/lines created',
      'create configmap named --from-literal=one=first --append-hash': 'configmap/named-ch9bgf2592 created',
      "get configmap folder -o jsonpath='{.data}'": '{"one.txt":"first\\n","two.txt":"second\\n"}',
      "get configmap lines -o jsonpath='{.data}'": '{"A":"b","C":"d"}',
      'create secret generic words --from-literal=p=w --type=example.com/words': 'secret/words created',
      'create secret docker-registry pull --docker-server=r.example --docker-username=u --docker-password=p':
        'secret/pull created',
      [`create secret tls pair --cert=${cert} --key=${key}`]: 'secret/pair created',
      'get secrets': `NAME    TYPE                             DATA   AGE
pair    kubernetes.io/tls                2      1s
pull    kubernetes.io/dockerconfigjson   1      1s
words   example.com/words                1      1s`,
      "get secret words -o jsonpath='{.data.p}'": 'dw==',
    });
    await space.fails({
      'create configmap UP': `error: failed to create configmap: ConfigMap "UP" is invalid: metadata.name: Invalid value: "UP": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
      'create configmap lines': 'error: failed to create configmap: configmaps "lines" already exists',
    });
  });

  promise('shows what it would create, by itself and by the server, and creates nothing', async (space) => {
    await space.says({
      'create configmap c --from-literal=a=b --dry-run=client -o yaml':
        /^apiVersion: v1\ndata:\n {2}a: b\nkind: ConfigMap\nmetadata:\n( {2}creationTimestamp: null\n)? {2}name: c$/,
      'create configmap c --dry-run=server': 'configmap/c created (server dry run)',
      "create deployment d --image=x --dry-run=server -o jsonpath='{.spec.strategy}'":
        '{"rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"},"type":"RollingUpdate"}',
      'get configmap c --ignore-not-found': '',
      'get deployments -o name': '',
      "create configmap c --from-literal=a=b --save-config -o jsonpath='{.metadata.annotations}'":
        /^\{"kubectl\.kubernetes\.io\/last-applied-configuration":"\{\\"kind\\":\\"ConfigMap\\",\\"apiVersion\\":\\"v1\\",\\"metadata\\":\{\\"name\\":\\"c\\"(,\\"creationTimestamp\\":null)?\},\\"data\\":\{\\"a\\":\\"b\\"\}\}\\n"\}$/,
    });
  });

  promise('makes access, limits and budgets', async (space) => {
    const own = space.name;
    await space.says({
      'create serviceaccount bot': 'serviceaccount/bot created',
      'create role reader --verb=get,list --resource=pods --resource-name=one':
        'role.rbac.authorization.k8s.io/reader created',
      'create rolebinding readers --role=reader --user=eve --group=team':
        'rolebinding.rbac.authorization.k8s.io/readers created',
      [`create clusterrole ${own} --verb=get --resource=nodes --non-resource-url=/logs`]: `clusterrole.rbac.authorization.k8s.io/${own} created`,
      [`create clusterrolebinding ${own} --clusterrole=${own} --serviceaccount=${own}:bot`]: `clusterrolebinding.rbac.authorization.k8s.io/${own} created`,
      [`get clusterrolebinding ${own} -o wide`]: `NAME  ROLE  AGE  USERS  GROUPS  SERVICEACCOUNTS
${own}  ClusterRole/${own}  1s      ${own}/bot`,
      'get rolebindings -o wide': `NAME      ROLE          AGE   USERS   GROUPS   SERVICEACCOUNTS
readers   Role/reader   1s    eve     team`,
      'create quota few --hard=pods=5,configmaps=20': 'resourcequota/few created',
      'create poddisruptionbudget one --selector=app=x --min-available=1': 'poddisruptionbudget.policy/one created',
      [`create priorityclass ${own} --value=10 --preemption-policy=Never`]: `priorityclass.scheduling.k8s.io/${own} created`,
      [`get priorityclass ${own}`]: `NAME     VALUE   GLOBAL-DEFAULT   AGE   PREEMPTIONPOLICY
${own}   10      false            1s    Never`,
    });
    expect(
      await space.ok('create token bot --duration=1h --audience=https://kubernetes.default.svc.cluster.local'),
    ).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    await space.fails({
      'create role r --verb=get --resource=foos': `the server doesn't have a resource type "foos"`,
      'create poddisruptionbudget one --selector=a=b --max-unavailable=1':
        'error: failed to create poddisruptionbudgets: poddisruptionbudgets.policy "one" already exists',
      'create priorityclass system-x --value=1': `error: failed to create priorityclass: PriorityClass.scheduling.k8s.io "system-x" is invalid: metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-x is not a known system priority class`,
      'create token nobody': 'error: failed to create token: serviceaccounts "nobody" not found',
      'create token bot --duration=1s':
        'error: failed to create token: TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes',
    });
    for (const kind of ['clusterrole', 'clusterrolebinding', 'priorityclass']) await space.run(`delete ${kind} ${own}`);
  });

  promise('makes services, of its own and by exposing', async (space) => {
    await space.says({
      'create service clusterip plain --tcp=80:8080': 'service/plain created',
      'create service clusterip headless --clusterip=None --tcp=80': 'service/headless created',
      'create service nodeport node --tcp=80:8080 --node-port=30123': 'service/node created',
      'create service loadbalancer load --tcp=80': 'service/load created',
      'create service externalname name --external-name=a.example': 'service/name created',
      'create ingress in --rule=a.example/x=plain:80 --class=some': 'ingress.networking.k8s.io/in created',
      'run web --image=coracle-demo/web:1 --port=8080 --labels=app=web --expose':
        'service/web created\npod/web created',
      'create deployment d --image=coracle-demo/web:1 --replicas=0 --port=8080': 'deployment.apps/d created',
      'expose deployment d --port=80 --target-port=8080 --name=by-name --type=NodePort': 'service/by-name exposed',
      'expose pod web --port=81 --name=of-pod': 'service/of-pod exposed',
      'get service headless name of-pod -o wide': `NAME       TYPE           CLUSTER-IP   EXTERNAL-IP   PORT(S)   AGE   SELECTOR
headless   ClusterIP      None          <none>        80/TCP    1s   app=headless
name       ExternalName   <none>        a.example     <none>    1s   app=name
of-pod     ClusterIP      10.68.0.9     <none>        81/TCP    1s   app=web`,
      'get ingress in': `NAME   CLASS  HOSTS       ADDRESS   PORTS   AGE
in     some   a.example             80      1s`,
    });
    await space.fails({
      'create service nodeport taken --tcp=80 --node-port=30123':
        'error: failed to create NodePort service: Service "taken" is invalid: spec.ports[0].nodePort: Invalid value: 30123: provided port is already allocated',
      'create service nodeport low --tcp=80 --node-port=1':
        'error: failed to create NodePort service: Service "low" is invalid: spec.ports[0].nodePort: Invalid value: 1: provided port is not in the valid range. The range of valid ports is 30000-32767',
      'expose pod web --port=81 --name=of-pod': 'Error from server (AlreadyExists): services "of-pod" already exists',
    });
  });

  promise('makes jobs, on a schedule and from one', async (space) => {
    await space.says({
      'create job once --image=coracle-demo/shell:1 -- true': 'job.batch/once created',
      "create cronjob often --image=coracle-demo/shell:1 --schedule='*/5 * * * *' -- true":
        'cronjob.batch/often created',
      'create job now --from=cronjob/often': 'job.batch/now created',
      "get job now -o jsonpath='{.metadata.annotations} {.metadata.ownerReferences[0].kind}'":
        '{"cronjob.kubernetes.io/instantiate":"manual"} CronJob',
    });
    await space.fails({
      'create cronjob never --image=x --schedule=nonsense':
        'error: failed to create cronjob: CronJob.batch "never" is invalid: spec.schedule: Invalid value: "nonsense": expected exactly 5 fields, found 1: [nonsense]',
      'create job now --from=cronjob/nope': 'Error from server (NotFound): cronjobs.batch "nope" not found',
    });
  });

  promise('creates what files say as far as it can, and tells of each that it cannot', async (space) => {
    space.file('many.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n---\n');
    const input = `apiVersion: v1
kind: ConfigMap
metadata: {name: good}
---
apiVersion: v1
kind: Nope
metadata: {name: x}
---
apiVersion: v1
kind: Pod
metadata: {name: empty}
spec: {containers: []}
`;
    const { code, out, err } = await space.run('create -f -', { input });
    expect({ code, out, err }).toEqual({
      code: 1,
      out: 'configmap/good created\n',
      err: `Error from server (Invalid): error when creating "STDIN": Pod "empty" is invalid: spec.containers: Required value
resource mapping not found for name: "x" namespace: "" from "STDIN": no matches for kind "Nope" in version "v1"
ensure CRDs are installed first
`,
    });
    await space.fails({
      'create -f many.yaml':
        'Error from server (AlreadyExists): error when creating "many.yaml": configmaps "good" already exists',
    });
    await space.fails({ 'create -f -': 'error: no objects passed to create' });
    const raw = `/api/v1/namespaces/${space.name}/configmaps`;
    const made = await space.ok(`create --raw ${raw} -f -`, {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'some-' } }),
    });
    expect(JSON.parse(made).metadata.name).toMatch(/^some-[a-z0-9]{5}$/);
  });

  promise('deletes by name, file, label, kind and path, and says what is not there', async (space) => {
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => space.ok(`create configmap ${name}`)));
    space.file('b.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n');
    await space.ok('label configmap c app=c');
    await space.says({
      'delete configmap a --dry-run=server': 'configmap "a" deleted (server dry run)',
      'delete configmap a': 'configmap "a" deleted',
      'delete -f b.yaml': 'configmap "b" deleted',
      'delete configmap -l app=c -o name': 'configmap/c',
      [`delete --raw /api/v1/namespaces/${space.name}/configmaps/d -v=0`]: /"status":"Success"/,
      'delete configmap nope --ignore-not-found': '',
      'delete configmap -l app=c': 'No resources found',
      'delete configmap --field-selector=metadata.name=e --wait=false': 'configmap "e" deleted',
    });
    await space.fails({
      'delete configmap a': 'Error from server (NotFound): configmaps "a" not found',
      'delete configmap': 'error: resource(s) were provided, but no name was specified',
      'delete namespace default':
        'Error from server (Forbidden): namespaces "default" is forbidden: this namespace may not be deleted',
    });
  });

  promise('deletes pods with grace, with none, and with what they own or without', async (space) => {
    await space.apply(
      shellPod('kept', 'trap "" TERM; while :; do sleep 1; done', { terminationGracePeriodSeconds: 1000 }),
      shellDeployment('d'),
    );
    await space.ok('wait --for=condition=Ready pod/kept --timeout=40s');
    await space.says({ 'delete pod kept --wait=false --grace-period=500': 'pod "kept" deleted' });
    expect(await space.ok('get pod kept')).toMatch(/kept +1\/1 +Terminating/);
    const forced = await space.run('delete pod kept --force --grace-period=0');
    expect(forced).toMatchObject({
      code: 0,
      out: 'pod "kept" force deleted\n',
      err: 'Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.\n',
    });
    await space.says({
      'delete deployment d --cascade=orphan': 'deployment.apps "d" deleted',
      "get replicasets -o jsonpath='{.items[*].metadata.ownerReferences}'": '',
      'delete replicaset --all --cascade=foreground': /^replicaset.apps "d-HASH" deleted$/,
      'get pods -l app=d -o name': '',
    });
  });
}
