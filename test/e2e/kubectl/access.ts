import { chmodSync } from 'node:fs';
import { expect } from 'vitest';
import { createSigningRequest } from '../../../shared/pki/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import type { Suite } from './suite.ts';

/** auth, certificate, config, completion, plugin, top. */
export function access({ promise, cluster }: Suite): void {
  promise('says who one is and what one may do, and sets roles right', async (space) => {
    const roles = {
      apiVersion: 'v1',
      kind: 'List',
      items: [
        {
          apiVersion: 'rbac.authorization.k8s.io/v1',
          kind: 'Role',
          metadata: { name: 'r', namespace: space.name },
          rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }],
        },
        {
          apiVersion: 'rbac.authorization.k8s.io/v1',
          kind: 'RoleBinding',
          metadata: { name: 'b', namespace: space.name },
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' },
          subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: space.name }],
        },
      ],
    };
    space.file('roles.json', roles);
    const account = `system:serviceaccount:${space.name}:default`;
    const reconciled = await space.run('auth reconcile -f roles.json');
    expect(reconciled).toMatchObject({
      code: 0,
      out: 'role.rbac.authorization.k8s.io/r reconciled\nrolebinding.rbac.authorization.k8s.io/b reconciled\n',
      err: expect.stringContaining('\treconciliation required create\n'),
    });
    await space.says({
      'auth whoami':
        /^ATTRIBUTE +VALUE *\n *Username +kubernetes-admin *\n *Groups +\[system:masters system:authenticated\] *\n *Extra: authentication\.kubernetes\.io\/credential-id +\[X509SHA256=[0-9a-f]{64}\]$/,
      'auth whoami --as=eve --as-group=team -o jsonpath={.status.userInfo}':
        '{"groups":["team","system:authenticated"],"username":"eve"}',
      'auth can-i create pods': 'yes',
    });
    await eventually(async () => (await space.run(`auth can-i list pods --as=${account}`)).out === 'yes\n', {
      timeoutMs: 10_000,
    });
    expect(await space.run(`auth can-i delete pods --as=${account}`)).toMatchObject({ code: 1, out: 'no\n' });
    expect(await space.ok(`auth can-i --list --as=${account}`)).toMatch(/^pods +\[\] +\[\] +\[get list\]$/m);
    const token = (await space.ok('create token default')).trim();
    const bare = space.file('bare', bareConfig(await space.ok('config view --raw'), token));
    await space.says({ [`--kubeconfig=${bare} auth whoami -o jsonpath={.status.userInfo.username}`]: account });
    await space.fails({
      [`--kubeconfig=${bare} get secrets`]: `Error from server (Forbidden): secrets is forbidden: User "${account}" cannot list resource "secrets" in API group "" in the namespace "${space.name}"`,
    });
  });

  promise('has certificates signed once somebody has approved them, and none that was denied', async (space) => {
    const { request, key } = await createSigningRequest({ user: 'eve', groups: ['team'] });
    const csr = (name: string): object => ({
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name: `${space.name}-${name}` },
      spec: {
        request: Buffer.from(request).toString('base64'),
        signerName: 'kubernetes.io/kube-apiserver-client',
        usages: ['client auth'],
      },
    });
    await space.apply(csr('good'), csr('bad'));
    const [good, bad] = [`${space.name}-good`, `${space.name}-bad`];
    await space.says({
      [`get csr ${good}`]: `NAME   AGE   SIGNERNAME   REQUESTOR   REQUESTEDDURATION   CONDITION
${good}  1s  kubernetes.io/kube-apiserver-client  kubernetes-admin  <none>  Pending`,
      [`certificate approve ${good}`]: `certificatesigningrequest.certificates.k8s.io/${good} approved`,
      [`certificate deny ${bad}`]: `certificatesigningrequest.certificates.k8s.io/${bad} denied`,
    });
    const certificate = await eventually(
      async () => (await space.ok(`get csr ${good} -o jsonpath={.status.certificate}`)) || undefined,
      { timeoutMs: 20_000 },
    );
    space.file('eve.crt', Buffer.from(certificate, 'base64').toString());
    space.file('eve.key', key);
    const { rest, ca } = cluster().file;
    const asEve = `--kubeconfig=/dev/null --server=${rest} --certificate-authority=${ca} --client-certificate=eve.crt --client-key=eve.key`;
    await space.says({
      [`${asEve} auth whoami -o jsonpath={.status.userInfo.groups}`]: '["team","system:authenticated"]',
      [`get csr ${bad} --no-headers`]: `${bad}  1s  kubernetes.io/kube-apiserver-client  kubernetes-admin  <none>  Denied`,
      [`delete csr ${good} ${bad}`]: `certificatesigningrequest.certificates.k8s.io "${good}" deleted\ncertificatesigningrequest.certificates.k8s.io "${bad}" deleted`,
    });
    await space.fails({
      'certificate approve nope': /certificatesigningrequests\.certificates\.k8s\.io "nope" not found/,
    });
  });

  promise('tells what nodes and pods use', async (space) => {
    await eventually(async () => (await space.run('top nodes')).code === 0, { timeoutMs: 60_000 });
    expect(await space.ok('top nodes --sort-by=cpu')).toMatch(
      /^NAME +CPU\(cores\) +CPU\(%\) +MEMORY\(bytes\) +MEMORY\(%\) *\n(node-\d +\d+m +\d+% +\d+Mi +\d+% *\n){3}$/,
    );
    expect(await space.ok('top node node-1 --no-headers')).toMatch(/^node-1 +\d+m +\d+% +\d+Mi +\d+% *\n$/);
    expect(await space.run('top pods')).toMatchObject({
      code: 0,
      err: `No resources found in ${space.name} namespace.\n`,
    });
    await space.fails({ 'top pod nope': 'Error from server (NotFound): pods "nope" not found' });
  });

  promise('reads and changes its own configuration', async (space) => {
    await space.says({
      'config current-context': 'kubernetes-admin@coracle',
      'config get-contexts': `CURRENT   NAME                       CLUSTER   AUTHINFO           NAMESPACE
*         kubernetes-admin@coracle   coracle   kubernetes-admin   ${space.name}`,
      'config get-clusters': 'NAME\ncoracle',
      'config get-users': 'NAME\nkubernetes-admin',
      'config set-cluster other --server=https://other.example:6443': 'Cluster "other" set.',
      'config set-credentials eve --token=x': 'User "eve" set.',
      'config set-context second --cluster=other --user=eve --namespace=n': 'Context "second" created.',
      'config use-context second': 'Switched to context "second".',
      'config view --minify -o jsonpath={.clusters[0].cluster.server}': 'https://other.example:6443',
      'config rename-context second third': 'Context "second" renamed to "third".',
      'config use-context kubernetes-admin@coracle': 'Switched to context "kubernetes-admin@coracle".',
      'config set contexts.third.namespace m': 'Property "contexts.third.namespace" set.',
      'config unset contexts.third.namespace': 'Property "contexts.third.namespace" unset.',
      'config delete-context third': /^deleted context third from /,
      'config delete-cluster other': /^deleted cluster other from /,
      'config delete-user eve': /^deleted user eve from /,
    });
  });

  promise('completes names of objects, and runs plugins', async (space) => {
    expect(await space.ok('completion bash')).toContain('complete -o default');
    await space.ok('create configmap complete-me');
    expect((await space.run('__complete get configmap com')).out).toMatch(/^complete-me\n/);
    space.file('bin/kubectl-hello', '#!/bin/sh\necho hello from $0 $1\n');
    chmodSync(`${space.dir}/bin/kubectl-hello`, 0o755);
    const env = { PATH: `${space.dir}/bin:${process.env.PATH}` };
    expect((await space.run('plugin list', { env })).out).toContain(`${space.dir}/bin/kubectl-hello\n`);
    expect((await space.run('hello world', { env })).out).toMatch(/^hello from .*kubectl-hello world\n$/);
  });
}

/** The same cluster, by a token alone. */
function bareConfig(config: string, token: string): string {
  return config.replace(/^( +)client-certificate-data: .*\n( +)client-key-data: .*$/m, `$1token: ${token}`);
}
