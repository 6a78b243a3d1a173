import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type HollowKubectl, startHollowKubectl } from '../support/hollow-kubectl.ts';
import { hasKubectl } from '../support/kubectl-program.ts';

describe.skipIf(!hasKubectl())('local volumes by kubectl, on a hollow node', { timeout: 60_000 }, () => {
  let cluster: HollowKubectl;
  beforeAll(async () => {
    cluster = await startHollowKubectl();
  });
  afterAll(() => cluster?.close());

  async function kubectl(args: string, input?: object): Promise<string> {
    const options = input ? { input: JSON.stringify(input) } : undefined;
    const { code, out, err } = await cluster.kubectl.run(args.split(' '), options);
    if (code !== 0) throw new Error(`kubectl ${args}: ${err}`);
    return `${out}${err}`;
  }

  const claim = (name: string, accessMode = 'ReadWriteOnce') => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    spec: { accessModes: [accessMode], resources: { requests: { storage: '1Gi' } } },
  });
  const pod = (name: string, claimName: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'c', image: 'example/app:1', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
    },
  });
  const phase = async (what: string) => (await kubectl(`get ${what} -o jsonpath={.status.phase}`)).trim();

  it('a claim waits for its pod, is bound where the pod runs, and its volume goes with it', async () => {
    expect(await kubectl('create -f -', claim('data'))).toBe('persistentvolumeclaim/data created\n');
    expect(await kubectl('get storageclass -o name')).toBe('storageclass.storage.k8s.io/local\n');
    expect(await phase('pvc/data')).toBe('Pending');
    await kubectl('create -f -', pod('p', 'data'));
    await eventually(async () => (await phase('pod/p')) === 'Running');
    expect(await phase('pvc/data')).toBe('Bound');
    const volume = (await kubectl('get pvc data -o jsonpath={.spec.volumeName}')).trim();
    expect(await phase(`pv/${volume}`)).toBe('Bound');

    await kubectl('delete pvc data --wait=false');
    expect(await phase('pvc/data')).toBe('Bound');
    await kubectl('delete pod p');
    await eventually(async () => (await kubectl('get pvc,pv --ignore-not-found -o name')) === '');
  });

  it('the example keeps its claim for one pod', async () => {
    const example = await readFile(new URL('../../deploy/examples/volume.yaml', import.meta.url), 'utf8');
    const { code, err } = await cluster.kubectl.run(['create', '-f', '-'], { input: example });
    expect([code, err]).toEqual([0, '']);
    await eventually(async () => (await phase('pod/notes')) === 'Running');
    await kubectl('delete pod/notes pvc/notes --force');
  });

  it('a ReadWriteOncePod claim serves one pod after the other', async () => {
    await kubectl('create -f -', claim('single', 'ReadWriteOncePod'));
    await kubectl('create -f -', pod('first', 'single'));
    await eventually(async () => (await phase('pod/first')) === 'Running');
    await kubectl('create -f -', pod('second', 'single'));
    const reason = 'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode';
    await eventually(async () => (await kubectl('get pod second -o jsonpath={.status.conditions}')).includes(reason));
    await kubectl('delete pod first');
    await eventually(async () => (await phase('pod/second')) === 'Running');
  });
});
