import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Job } from '../../shared/generated/types.ts';
import { eventually } from '../support/eventually.ts';
import { type HollowKubectl, startHollowKubectl } from '../support/hollow-kubectl.ts';
import { hasKubectl } from '../support/kubectl-program.ts';

describe.skipIf(!hasKubectl())('a CronJob by kubectl, on a hollow node', { timeout: 90_000 }, () => {
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
  const jobs = async (): Promise<Job[]> => JSON.parse(await kubectl('get jobs -o json')).items;
  const succeeded = ({ status }: Job) => status?.succeeded === 1;

  it('starts a Job at a tick, and another by create job --from, which end', async () => {
    const example = parse(await readFile(new URL('../../deploy/examples/cron-job.yaml', import.meta.url), 'utf8'));
    example.spec.jobTemplate.spec.template.spec.containers[0].image = 'fake/exit:0';
    await kubectl('create -f -', { ...example, spec: { ...example.spec, schedule: '@every 3s' } });
    await kubectl('create job by-hand --from=cronjob/clock');
    await eventually(async () => (await jobs()).filter(succeeded).length >= 2, { timeoutMs: 80_000, everyMs: 500 });
    const names = (await jobs()).map(({ metadata }) => metadata.name);
    expect(names).toContain('by-hand');
    expect(names.some((name) => /^clock-\d{8}$/.test(name))).toBe(true);
    const { lastScheduleTime } = JSON.parse(await kubectl('get cronjob clock -o json')).status;
    expect(Date.parse(lastScheduleTime)).toBeGreaterThan(0);
    await kubectl('patch cronjob clock -p {"spec":{"suspend":true}}');
    expect(await kubectl('get cronjob clock')).toMatch(/@every 3s +Europe\/Berlin +True/);
    expect(await kubectl('describe cronjob clock')).toContain('SuccessfulCreate');
  });
});
