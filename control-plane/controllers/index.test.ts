import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Client } from '../../shared/client.ts';
import type { EventRecorder } from '../../shared/event-recorder.ts';
import { ControllerRoom } from '../../test/support/controller-room.ts';
import { type ControllerOptions, controllerKinds, createControllers, runControllers } from './index.ts';

const timing = { leaseMs: 5_000, startupMs: 0 };
const authority = { certificate: 'CA', signRequest: async () => 'x' };

let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start();
});
afterEach(() => room.stop());

function create(options: Partial<ControllerOptions> = {}) {
  const acted: string[] = [];
  const reported: string[] = [];
  const events: EventRecorder = {
    ...room.deps.events,
    of: (component, client) => {
      reported.push(`${component} ${client === undefined ? 'without' : 'with'} a client`);
      return events;
    },
  };
  const clientOf = (account: string): Client => {
    acted.push(account);
    return room.braked;
  };
  const controllers = createControllers({ ...room.deps, events, clientOf }, { ...timing, ...options });
  return { acted, reported, controllers };
}

it('each controller uses its Kubernetes service account, and records events under its own name', () => {
  const { acted, reported } = create({ authority });
  expect(acted).toEqual(
    expect.arrayContaining([
      'replicaset-controller',
      'replication-controller',
      'deployment-controller',
      'disruption-controller',
    ]),
  );
  expect(reported).toContain('deployment-controller with a client');
  expect(reported).toContain('controllermanager with a client');
  expect(new Set(acted).size).toBe(acted.length);
});

it('certificates and tokens are created only with an authority, tokens only with an issuer', () => {
  const names = (options: Partial<ControllerOptions>) => create(options).controllers.map(({ name }) => name);
  const issueToken = async () => 'token';
  const bare = names({});
  expect(names({ issueToken })).toEqual(bare);
  expect(names({ authority }).filter((name) => !bare.includes(name))).toEqual([
    'root-ca-certificate-publisher',
    'certificate-controller',
  ]);
  expect(names({ authority, issueToken }).at(-1)).toBe('token-controller');
});

it('each controller has its own name, and reconciles kinds that the informers have', () => {
  const { controllers } = create({ authority, issueToken: async () => 'token' });
  const names = controllers.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(controllers.flatMap(({ kinds }) => kinds.filter((kind) => !controllerKinds.includes(kind)))).toEqual([]);
});

it('without clients of their own all share one client, and together they run the pods of a Deployment', async () => {
  const stop = new AbortController();
  const running = runControllers(room.deps, timing, stop.signal);
  const labels = { app: 'web' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'some:1' }] } };
  const spec = { replicas: 2, selector: { matchLabels: labels }, template };
  await room.client.create('Deployment', { metadata: { name: 'web', namespace: 'default' }, spec });
  await room.advance(1_000);
  expect((await room.client.list('Pod', { namespace: 'default' })).items).toHaveLength(2);
  stop.abort(new Error('enough'));
  await running.catch(() => undefined);
});
