import { expect } from 'vitest';
import { type Suite, shellDeployment } from './suite.ts';

/** rollout, scale, autoscale. */
export function workloads({ promise }: Suite): void {
  promise('rolls out, waits, tells the history, goes back, pauses and restarts', async (space) => {
    await space.apply(shellDeployment('d', 2));
    await space.says({
      'rollout status deployment/d --timeout=60s': /deployment "d" successfully rolled out$/,
      'set env deployment/d ROUND=2': 'deployment.apps/d env updated',
      'rollout status deployment/d --timeout=60s --watch=true':
        /^(Waiting for deployment "d" rollout to finish: .*\n)*deployment "d" successfully rolled out$/,
      "annotate deployment d kubernetes.io/change-cause='second round'": 'deployment.apps/d annotated',
      'rollout pause deployment/d': 'deployment.apps/d paused',
    });
    await space.fails({
      'rollout pause deployment/d': 'error: deployments.apps "d" is already paused',
      'rollout restart deployment/d': `error: deployments.apps "d" can't restart paused deployment (run rollout resume first)`,
      'rollout undo deployment/d':
        "error: you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again",
    });
    await space.says({
      'rollout resume deployment/d': 'deployment.apps/d resumed',
      'rollout history deployment/d': `deployment.apps/d
REVISION  CHANGE-CAUSE
1         <none>
2         second round
`,
      'rollout history deployment/d --revision=2':
        /^deployment.apps\/d with revision #2\nPod Template:\n[\s\S]* +Environment:\n +ROUND:\t2\n/,
      'rollout undo deployment/d --to-revision=1': 'deployment.apps/d rolled back',
      'rollout status deployment/d --timeout=60s': /deployment "d" successfully rolled out$/,
      "get deployment d -o jsonpath='{.spec.template.spec.containers[0].env}{.metadata.annotations.deployment\\.kubernetes\\.io/revision}'":
        '3',
      'rollout restart deployment/d': 'deployment.apps/d restarted',
    });
    await space.says({ 'rollout status deployment/d --timeout=60s': /deployment "d" successfully rolled out$/ });
    await space.fails({
      'rollout resume deployment/d': 'error: deployments.apps "d" is not paused',
      'rollout undo deployment/d --to-revision=99': 'error: unable to find specified revision 99 in history',
      'rollout status deployment/nope': 'Error from server (NotFound): deployments.apps "nope" not found',
    });
  });

  promise('does not wait longer than it may for a rollout that does not end', async (space) => {
    await space.ok('create deployment stuck --image=coracle-demo/none:1');
    const { code, out, err } = await space.run('rollout status deployment/stuck --timeout=2s');
    expect({ code, out, err }).toEqual({
      code: 1,
      out: 'Waiting for deployment "stuck" rollout to finish: 0 of 1 updated replicas are available...\n',
      err: 'error: timed out waiting for the condition\n',
    });
  });

  promise('scales what has a scale, from the size that it is said to have', async (space) => {
    await space.apply(shellDeployment('d', 0));
    await space.ok('create job j --image=coracle-demo/shell:1');
    await space.says({
      'scale deployment d --replicas=1 --current-replicas=0': 'deployment.apps/d scaled',
      'scale deployment/d --replicas=0 --timeout=30s': 'deployment.apps/d scaled',
      'get deployment d --subresource=scale': `NAME   DESIRED   AVAILABLE   AGE
d      0         0           1s`,
      'autoscale deployment d --min=1 --max=3 --cpu-percent=80': 'horizontalpodautoscaler.autoscaling/d autoscaled',
      'get hpa d': `NAME   REFERENCE      TARGETS              MINPODS   MAXPODS   REPLICAS   AGE
d      Deployment/d   cpu: <unknown>/80%   1         3         0          1s`,
    });
    await space.fails({
      'scale deployment d --replicas=2 --current-replicas=9': 'error: Expected replicas to be 9, was 0',
      'scale deployment nope --replicas=1': /deployments\.apps "nope" not found$/,
      'scale job j --replicas=2': 'Error from server (NotFound): the server could not find the requested resource',
      // Since 1.36 the client tries the older version then, which has not what it fills in.
      'autoscale deployment d --max=2':
        /^(Error from server \(AlreadyExists\): horizontalpodautoscalers\.autoscaling "d" already exists|error: failed to create autoscaling\/v2 HPA .*)$/,
    });
  });
}
