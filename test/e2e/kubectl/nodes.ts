import { expect } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type Suite, shellDeployment, shellPod } from './suite.ts';

/** cordon, drain, taint, uncordon: others would feel them. top. */
export function nodes({ alone, cluster }: Suite): void {
  alone('keeps pods off nodes and empties them, as far as budgets let it', async (space) => {
    const [one, two, three] = [1, 2, 3].map((index) => cluster().machine(index).name);
    await space.says({
      [`cordon ${one}`]: `node/${one} cordoned`,
      [`get node ${one} --no-headers`]: new RegExp(`^${one} {2}Ready,SchedulingDisabled {2}<none> {2}AGE`),
      [`cordon ${two} --dry-run=server`]: `node/${two} cordoned (server dry run)`,
    });
    expect(await space.run(`cordon ${one}`)).toMatchObject({ code: 0, out: `node/${one} already cordoned\n` });
    await space.apply(
      shellDeployment('d', 2),
      shellPod('alone', 'sleep 1000', { nodeName: two }),
      shellPod('empty', 'sleep 1000', { nodeName: two, volumes: [{ name: 'v', emptyDir: {} }] }),
    );
    await space.ok('create poddisruptionbudget all --selector=app=d --min-available=2');
    await space.says({
      'rollout status deployment/d --timeout=60s': /successfully rolled out/,
      'wait --for=condition=Ready pod --all --timeout=60s': /pod\/alone condition met/,
    });
    expect(await space.ok('get pods -l app=d -o wide')).not.toContain(one);
    const unable = await space.run(`drain ${two} --pod-selector=app`);
    expect(unable.code).toBe(1);
    expect(unable.out).toBe(`node/${two} cordoned\n`);
    expect(unable.err).toContain(`error: unable to drain node "${two}" due to error: [`);
    expect(unable.err).toMatch(
      new RegExp(`cannot delete Pods that declare no controller \\(use --force to override\\): .*${space.name}/alone`),
    );
    expect(unable.err).toContain(
      `cannot delete Pods with local storage (use --delete-emptydir-data to override): ${space.name}/empty`,
    );
    const forced = 'drain --force --delete-emptydir-data --ignore-daemonsets --grace-period=0';
    const held = await space.run(`${forced} ${two} --timeout=3s`);
    const onTwo = (await space.ok(`get pods -l app=d --field-selector=spec.nodeName=${two} -o name`)).trim();
    if (onTwo !== '') {
      expect(held.code).toBe(1);
      expect(held.err).toContain(
        `error when evicting pods/"${onTwo.split('\n')[0]?.slice(4)}" -n "${space.name}" (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.`,
      );
    }
    await space.ok('delete poddisruptionbudget all');
    const drained = await space.run(`${forced} ${two} --timeout=60s`);
    expect(drained.code).toBe(0);
    expect(drained.out).toMatch(new RegExp(`node/${two} drained\\n$`));
    expect(await space.ok(`get pods --field-selector=spec.nodeName=${two} -o name`)).toBe('');
    await space.ok('rollout status deployment/d --timeout=60s');
    await eventually(
      async () => {
        const places = await space.ok("get pods -l app=d -o jsonpath='{.items[*].spec.nodeName}'");
        return places.split(' ').every((place) => place === three);
      },
      { timeoutMs: 30_000 },
    );
    await space.says({
      [`uncordon ${one} ${two}`]: `node/${one} uncordoned\nnode/${two} uncordoned`,
      [`uncordon ${one}`]: `node/${one} already uncordoned`,
    });
    await space.fails({ 'drain nope': /nodes "nope" not found/, 'cordon nope': /nodes "nope" not found/ });
  });

  alone('taints nodes, and frees them again', async (space) => {
    const node = cluster().machine(1).name;
    await space.apply(shellPod('there', 'sleep 1000', { nodeName: node }));
    await space.ok('wait --for=condition=Ready pod/there --timeout=60s');
    await space.says({
      [`taint node ${node} a=b:NoSchedule`]: `node/${node} tainted`,
      [`taint node ${node} a=c:NoSchedule --overwrite`]: `node/${node} modified`,
      [`get node ${node} -o jsonpath='{.spec.taints}'`]: '[{"effect":"NoSchedule","key":"a","value":"c"}]',
      [`taint node ${node} a=b:NoExecute --dry-run=server`]: `node/${node} tainted`,
      [`taint nodes -l kubernetes.io/hostname=${node} out=now:NoExecute`]: `node/${node} tainted`,
      'wait --for=delete pod/there --timeout=30s': /^(pod\/there condition met)?$/,
      [`taint node ${node} a- out:NoExecute-`]: `node/${node} untainted`,
    });
    await space.fails({
      [`taint node ${node} a-`]: 'error: taint "a" not found',
      [`taint node ${node} a=b:Nonsense`]: `error: invalid taint effect: Nonsense, unsupported taint effect\nSee 'kubectl taint -h' for help and examples`,
      'taint node nope a=b:NoSchedule': 'Error from server (NotFound): nodes "nope" not found',
    });
    await space.ok(`taint node ${node} a=b:NoSchedule`);
    await space.fails({
      [`taint node ${node} a=b:NoSchedule`]: `error: node ${node} already has a taint(s) with same effect(s) and --overwrite is false`,
    });
    await space.ok(`taint node ${node} a:NoSchedule-`);
  });
}
