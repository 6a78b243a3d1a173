import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { eventually } from '../support/eventually.ts';
import { type HollowKubectl, startHollowKubectl } from '../support/hollow-kubectl.ts';
import { hasKubectl } from '../support/kubectl-program.ts';

describe.skipIf(!hasKubectl())('an autoscaler by kubectl, on a hollow node', { timeout: 90_000 }, () => {
  let cluster: HollowKubectl;
  beforeAll(async () => {
    cluster = await startHollowKubectl();
  });
  afterAll(() => cluster?.close());

  async function kubectl(args: string, input?: object): Promise<string> {
    const { code, out, err } = await cluster.kubectl.run(
      args.split(' '),
      input ? { input: JSON.stringify(input) } : undefined,
    );
    if (code !== 0) throw new Error(`kubectl ${args}: ${err}`);
    expect(err).toBe('');
    return out;
  }

  it('adds pods to a Deployment whose pods use more cpu than they should', async () => {
    const text = await readFile(new URL('../../deploy/examples/autoscaler.yaml', import.meta.url), 'utf8');
    const [deployment, autoscaler] = parseAllDocuments(text).map((one) => one.toJS());
    // A pod of this image uses twice what it requests.
    deployment.spec.template.spec.containers[0].image = 'fake/cpu:100m';
    await kubectl('create -f -', deployment);
    await kubectl('create -f -', autoscaler);
    const replicas = async () => Number(await kubectl('get deployment elastic -o jsonpath={.spec.replicas}'));
    await eventually(async () => (await replicas()) >= 2, { timeoutMs: 80_000, everyMs: 500 });
    expect(await kubectl('get hpa elastic')).toMatch(/Deployment\/elastic +cpu: 2\d\d%\/50% +1 +5 /);
    const described = await kubectl('describe hpa elastic');
    expect(described).toContain('New size: 2; reason: cpu resource utilization (percentage of request) above target');
    expect(described).toMatch(/ScalingActive +True +ValidMetricFound/);
  });
});
