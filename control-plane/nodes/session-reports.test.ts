import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Client } from '../../shared/client.ts';
import { ApiError } from '../../shared/errors.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { silentLog } from '../../shared/log.ts';
import type { FromNode, ToNode } from '../../shared/session.ts';
import { HollowCluster } from '../../test/support/hollow-cluster.ts';
import { connectionPair } from '../../test/support/node-session.ts';
import { Session } from './session.ts';

let cluster: HollowCluster;

beforeEach(async () => {
  cluster = new HollowCluster();
  cluster.kubelets = false;
  await cluster.start('a');
});

afterEach(() => cluster.stop());

async function boundPod(): Promise<Pod> {
  const spec = { containers: [{ name: 'app', image: 'example/app:1' }], nodeName: 'a' };
  const pod = await cluster.settle(
    cluster.client.create('Pod', { metadata: { name: 'web', namespace: 'default' }, spec } as never),
  );
  await cluster.clock.advance(100);
  return pod;
}

/** Reports a status whose first write conflicts. `read`: what happens while the newer version is read. */
async function report(pod: Pod, read: (session: Session) => void): Promise<number> {
  const [mine, theirs] = connectionPair<ToNode, FromNode>();
  let writes = 0;
  const client = {
    updateStatus: async (_kind: 'Pod', object: Pod) => {
      if (writes++ === 0) throw new ApiError('Conflict', 'the object has been modified');
      return object;
    },
    get: async () => {
      read(session);
      return pod;
    },
  } as unknown as Client;
  const { informers } = cluster.controlPlane;
  const lease = { deleted: () => undefined, close: () => undefined };
  const deps = { client, informers, clock: cluster.clock, log: silentLog, usage: { put: () => undefined } };
  const session = new Session(deps, 'a', theirs, lease);
  void session.serve(theirs.incoming[Symbol.asyncIterator]()).catch(() => undefined);
  const { uid } = pod.metadata;
  const update = { namespace: 'default', name: 'web', uid, status: { phase: 'Running' }, terminated: false };
  await mine.send({ type: 'podStatus', sequence: 1, updates: [update] });
  await cluster.clock.advance(1_000);
  session.end('the test is over');
  return writes;
}

it('a status whose pod has changed meanwhile is written onto the newer version', async () => {
  expect(await report(await boundPod(), () => undefined)).toBe(2);
});

it('a session that has ended does not write an old status onto a newer version', async () => {
  expect(await report(await boundPod(), (session) => session.end('the node has opened another session'))).toBe(1);
});
