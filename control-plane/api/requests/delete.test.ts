import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeleteOptions, Status } from '../../../shared/generated/types.ts';
import { kindNamed } from '../../../shared/kinds/index.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import type { RequestContext } from '../api.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

const contextOf = (): RequestContext => ({
  identity: { user: 'u', groups: [] },
  signal: new AbortController().signal,
  warnings: [],
});
type DeletedKind = 'Pod' | 'ConfigMap' | 'Deployment' | 'ReplicationController';
const deletion = (kind: DeletedKind, options?: DeleteOptions) =>
  server.api.delete(contextOf(), { entry: kindNamed(kind), namespace: 'default', name: 'x' }, options);
const remove = async (kind: DeletedKind, options?: DeleteOptions) => (await deletion(kind, options)).object;
const metadata = (more: object = {}) => ({ name: 'x', namespace: 'default', ...more });
const configMap = (more?: object) => server.client.create('ConfigMap', { metadata: metadata(more) });
const container = { name: 'c', image: 'a' };

describe('a deletion', () => {
  it('returns a Status that names the object, or the object for the kinds for which Kubernetes does', async () => {
    const { metadata: made } = await configMap();
    expect(await remove('ConfigMap')).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name: 'x', kind: 'configmaps', uid: made.uid },
    });
    await server.client.create('Pod', { metadata: metadata(), spec: { containers: [container] } });
    expect(((await remove('Pod')) as KubeObject).kind).toBe('Pod');
  });

  it.each<[string, DeleteOptions, string]>([
    [
      'a policy that there is not',
      { propagationPolicy: 'Later' },
      'propagationPolicy: Unsupported value: "Later": supported values: "Background", "Foreground", "Orphan", "nil"',
    ],
    [
      'two policies',
      { propagationPolicy: 'Orphan', orphanDependents: true },
      'propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
    ],
    ['half a dry run', { dryRun: ['Some'] }, 'dryRun: Unsupported value: []string{"Some"}: supported values: "All"'],
  ])('refuses %s', async (_what, options, why) => {
    await configMap();
    await expect(remove('ConfigMap', options)).rejects.toMatchObject({
      reason: 'Invalid',
      message: `DeleteOptions.meta.k8s.io "" is invalid: ${why}`,
    });
  });

  it('holds to the preconditions', async () => {
    const { metadata: made } = await configMap();
    await expect(remove('ConfigMap', { preconditions: { uid: 'other' } })).rejects.toMatchObject({
      reason: 'Conflict',
      message: `Operation cannot be fulfilled on ConfigMap "x": the UID in the precondition (other) does not match the UID in record (${made.uid}). The object might have been deleted and then recreated`,
    });
    await expect(remove('ConfigMap', { preconditions: { resourceVersion: '1' } })).rejects.toMatchObject({
      message: `Operation cannot be fulfilled on ConfigMap "x": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (${made.resourceVersion}). The object might have been modified`,
    });
    await remove('ConfigMap', { preconditions: { uid: made.uid, resourceVersion: made.resourceVersion } });
  });

  it('does nothing on a dry run', async () => {
    await configMap();
    expect(((await remove('ConfigMap', { dryRun: ['All'] })) as Status).status).toBe('Success');
    expect((await server.client.get('ConfigMap', 'x', 'default')).metadata.deletionTimestamp).toBeUndefined();
  });

  it('waits for finalizers, and repeating it changes nothing', async () => {
    await configMap({ finalizers: ['example.com/a'] });
    const first = (await remove('ConfigMap')) as KubeObject;
    expect(first.metadata).toMatchObject({ deletionGracePeriodSeconds: 0, finalizers: ['example.com/a'] });
    expect(await remove('ConfigMap', { gracePeriodSeconds: 0 })).toEqual(first);
  });

  it('reports that it has only started when it has to wait for dependents', async () => {
    const finalizers = ['example.com/a'];
    await configMap({ finalizers });
    expect((await deletion('ConfigMap', { propagationPolicy: 'Background' })).outcome).toBe('deleting');
    expect((await deletion('ConfigMap', { propagationPolicy: 'Foreground' })).outcome).toBe('accepted');
    const { metadata: now } = await server.client.get('ConfigMap', 'x', 'default');
    expect(now.finalizers).toEqual(['example.com/a', 'foregroundDeletion']);
  });

  it('orphans the dependents of a ReplicationController by default', async () => {
    const spec = { replicas: 0, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [container] } } };
    await server.client.create('ReplicationController', { metadata: metadata(), spec: spec as never });
    expect(((await remove('ReplicationController')) as KubeObject).metadata.finalizers).toEqual(['orphan']);
    expect(((await remove('ReplicationController', { propagationPolicy: 'Background' })) as Status).status).toBe(
      'Success',
    );
  });
});

describe('the grace of a pod', () => {
  const bound = (grace?: number) =>
    server.client.create('Pod', {
      metadata: metadata(),
      spec: { nodeName: 'n', containers: [container], terminationGracePeriodSeconds: grace } as never,
    });
  const graceOf = (answer: KubeObject | Status) => (answer as KubeObject).metadata.deletionGracePeriodSeconds;

  it('is set by the client, even if the pod has none of its own', async () => {
    await bound(0);
    expect(graceOf(await remove('Pod', { gracePeriodSeconds: 7 }))).toBe(7);
  });

  it('is a second when a negative one is requested', async () => {
    await bound();
    expect(graceOf(await remove('Pod', { gracePeriodSeconds: -5 }))).toBe(1);
  });

  it('is over at once with zero', async () => {
    await bound();
    await remove('Pod', { gracePeriodSeconds: 0 });
    await expect(server.client.get('Pod', 'x', 'default')).rejects.toMatchObject({ reason: 'NotFound' });
  });
});
