import type { Client } from '../../shared/client.ts';
import { isApiError } from '../../shared/errors.ts';
import type { Kind, Pod } from '../../shared/generated/types.ts';
import { type KubeObject, keyOf } from '../../shared/object.ts';
import { fraction, randomInt } from '../../shared/random.ts';
import type { SimCluster } from './cluster.ts';
import type { Request } from './history.ts';
import { hasEnded } from './oracles/facts.ts';
import {
  configMap,
  type DeploymentName,
  deployment,
  deploymentNames,
  endingPod,
  endings,
  firstObjects,
  images,
  smallNamespace,
} from './workload.ts';

type Asked = Omit<Request, 'asked' | 'answered' | 'outcome' | 'answer'>;

const namespace = 'default';

/** Users, who ask random servers for random changes. Each request and its answer goes into the history. */
export class Users {
  readonly #cluster: SimCluster;
  /** The number that each writer wrote last, and whether it waits for its answer. */
  readonly #writers = new Map<string, { number: number; busy: boolean }>();
  #made = 0;

  constructor(cluster: SimCluster) {
    this.#cluster = cluster;
  }

  /** Makes what the cluster is to run; resolves once all of it is stored. */
  async begin(): Promise<void> {
    for (const { kind, object } of firstObjects()) await this.#need((client) => client.create(kind, object as never));
    for (const name of deploymentNames) await this.#need((client) => client.create('Deployment', deployment(name, 0)));
  }

  /** One random request. */
  act(): void {
    const chance = randomInt(this.#cluster.random, 100);
    if (chance < 14) this.#scale();
    else if (chance < 26) this.#rollOut(this.#cluster.random.bytes(1)[0] === 7 ? 'missing:1' : this.#one(images));
    else if (chance < 30) this.#deleteDeployment();
    else if (chance < 36) this.#createDeployment(this.#one(deploymentNames));
    else if (chance < 52) this.evict();
    else if (chance < 58) this.#deletePod();
    else if (chance < 72) this.#createEndingPod();
    else if (chance < 76) this.#deleteEndedPod();
    else if (chance < 86) this.#writeMark();
    else if (chance < 96) this.#owners();
    else this.#deleteReplicaSet();
  }

  /** Asks for everything that must be there in the end; resolves once it is stored. */
  async settle(): Promise<void> {
    const { world } = this.#cluster.history;
    for (const name of deploymentNames) {
      for (;;) {
        const present = world.get('Deployment', `${namespace}/${name}`);
        const body = { spec: { template: { spec: { containers: [{ name: 'main', image: images[0] }] } } } };
        const done = await this.#try((client) =>
          present
            ? client.patch('Deployment', name, { type: 'strategic', body }, { namespace })
            : client.create('Deployment', deployment(name, ++this.#writer(`spec-${name}`).number)),
        );
        const now = world.get('Deployment', `${namespace}/${name}`);
        if (done && now && !now.metadata.deletionTimestamp) break;
        await this.#cluster.clock.sleep(500);
      }
    }
  }

  evict(): void {
    const { world } = this.#cluster.history;
    const pods = world.all('Pod').filter((pod) => pod.metadata.namespace === namespace && pod.metadata.labels?.app);
    const pod = this.#one(pods);
    if (pod) this.#ask({ verb: 'evict', ...targetOf(pod) }, (client) => client.evict(pod));
  }

  #scale(): void {
    this.#patchDeployment(this.#one(deploymentNames), { replicas: 2 + randomInt(this.#cluster.random, 7) });
  }

  #rollOut(image: string): void {
    const body = { template: { spec: { containers: [{ name: 'main', image }] } } };
    this.#patchDeployment(this.#one(deploymentNames), body);
  }

  #patchDeployment(name: DeploymentName, spec: object): void {
    this.#mark('Deployment', name, 'mark-spec', `spec-${name}`, (client, number) => {
      const body = { metadata: { annotations: { 'mark-spec': String(number) } }, spec };
      return client.patch('Deployment', name, { type: 'strategic', body }, { namespace });
    });
  }

  #createDeployment(name: DeploymentName): void {
    if (this.#cluster.history.world.get('Deployment', `${namespace}/${name}`)) return;
    this.#mark(
      'Deployment',
      name,
      'mark-spec',
      `spec-${name}`,
      (client, number) => client.create('Deployment', deployment(name, number)),
      'create',
    );
  }

  #deleteDeployment(): void {
    const found = this.#cluster.history.world.get('Deployment', `${namespace}/${this.#one(deploymentNames)}`);
    if (found) this.#delete(found, this.#one(['Background', 'Background', 'Foreground', 'Orphan']));
  }

  #deleteReplicaSet(): void {
    const found = this.#one(
      this.#cluster.history.world.all('ReplicaSet').filter(({ metadata }) => metadata.name !== 'set'),
    );
    if (found) this.#delete(found, this.#one(['Background', 'Foreground']));
  }

  #deletePod(): void {
    const found = this.#one(this.#cluster.history.world.all('Pod'));
    if (found) this.#delete(found, 'Background');
  }

  #deleteEndedPod(): void {
    const found = this.#one(this.#cluster.history.world.all('Pod').filter(hasEnded));
    if (found) this.#delete(found, 'Background');
  }

  #createEndingPod(): void {
    const name = `end-${this.#made++}`;
    const object = endingPod(name, this.#one([namespace, smallNamespace, smallNamespace]), this.#one(endings));
    this.#ask({ verb: 'create', kind: 'Pod', key: keyOf(object) }, (client) => client.create('Pod', object));
  }

  /** Two writers of a field each, and two that count in one field, which only a guarded write may raise. */
  #writeMark(): void {
    const field = this.#one(['mark-a', 'mark-b', 'mark-count']);
    if (field !== 'mark-count') {
      this.#mark('ConfigMap', 'shared', field, field, (client, number) =>
        client.patch(
          'ConfigMap',
          'shared',
          { type: 'merge', body: { data: { [field]: String(number) } } },
          { namespace },
        ),
      );
      return;
    }
    const client = this.#client();
    client?.get('ConfigMap', 'shared', namespace).then((read) => {
      const number = Number(read.data?.[field] ?? 0) + 1;
      const next = { ...read, data: { ...read.data, [field]: String(number) } };
      const asked: Asked = { verb: 'write', kind: 'ConfigMap', key: `${namespace}/shared`, mark: { field, number } };
      this.#ask(asked, (other) => other.update('ConfigMap', next), client);
    }, ignoreRefusal);
  }

  /** Owners that go and come again by the same name, and what is owned by the one that was seen. */
  #owners(): void {
    const { world } = this.#cluster.history;
    const name = this.#one(['owner-0', 'owner-1']);
    const owner = world.get('ConfigMap', `${namespace}/${name}`);
    if (!owner) {
      const object = configMap(name);
      this.#ask({ verb: 'create', kind: 'ConfigMap', key: keyOf(object) }, (client) =>
        client.create('ConfigMap', object),
      );
    } else if (fraction(this.#cluster.random) < 0.3) {
      this.#delete(owner, this.#one(['Background', 'Foreground', 'Orphan']));
    } else {
      const other = world.get('ConfigMap', `${namespace}/${this.#one(['owner-0', 'owner-1'])}`);
      const owners = [...new Set([owner, ...(other ? [other] : [])])].map(({ metadata }) => metadata);
      const object = configMap(
        `owned-${this.#made++}`,
        owners.map(({ name: of, uid }) => ({ name: of, uid })),
      );
      this.#ask({ verb: 'create', kind: 'ConfigMap', key: keyOf(object) }, (client) =>
        client.create('ConfigMap', object),
      );
    }
  }

  #delete(object: KubeObject, propagationPolicy: string): void {
    const { name, uid, namespace: within } = object.metadata;
    const target = targetOf(object);
    this.#ask({ verb: 'delete', ...target }, (client) =>
      client.delete(target.kind, name, { namespace: within, propagationPolicy, preconditions: { uid } }),
    );
  }

  /** A write with the writer's next number, when its last write has been answered. */
  #mark(
    kind: Kind,
    name: string,
    field: string,
    writer: string,
    run: (client: Client, number: number) => Promise<KubeObject>,
    verb: 'create' | 'write' = 'write',
  ): void {
    const state = this.#writer(writer);
    if (state.busy || !this.#client()) return;
    const number = ++state.number;
    state.busy = true;
    const key = `${namespace}/${name}`;
    this.#ask({ verb, kind, key, mark: { field, number } }, (client) =>
      run(client, number).finally(() => {
        state.busy = false;
      }),
    );
  }

  #writer(name: string) {
    const state = this.#writers.get(name) ?? { number: 0, busy: false };
    this.#writers.set(name, state);
    return state;
  }

  #ask(asked: Asked, run: (client: Client) => Promise<unknown>, client = this.#client()): void {
    const { clock, history } = this.#cluster;
    if (!client) return;
    const request: Request = { ...asked, asked: clock.monotonic() };
    history.requests.push(request);
    run(client)
      .then(
        (answer) => {
          request.outcome = 'done';
          if (answer) request.answer = answer as KubeObject;
        },
        (error: unknown) => {
          request.outcome = isApiError(error, ...unknownReasons) ? 'unknown' : 'refused';
          ignoreRefusal(error);
        },
      )
      .finally(() => {
        request.answered = clock.monotonic();
      });
  }

  async #need(run: (client: Client) => Promise<unknown>): Promise<void> {
    while (!(await this.#try(run))) await this.#cluster.clock.sleep(100);
  }

  async #try(run: (client: Client) => Promise<unknown>): Promise<boolean> {
    const client = this.#client();
    if (!client) return false;
    return run(client).then(
      () => true,
      (error: unknown) => {
        ignoreRefusal(error);
        return isApiError(error, 'AlreadyExists');
      },
    );
  }

  #client(): Client | undefined {
    return this.#one(this.#cluster.serving)?.controlPlane?.client;
  }

  #one<T>(all: readonly [T, ...T[]]): T;
  #one<T>(all: readonly T[]): T | undefined;
  #one<T>(all: readonly T[]): T | undefined {
    return all[randomInt(this.#cluster.random, Math.max(1, all.length))];
  }
}

/** Answers that leave open whether the write was done. */
const unknownReasons = ['ServiceUnavailable', 'Timeout', 'InternalError'] as const;

function targetOf(object: KubeObject | Pod): Pick<Request, 'key' | 'uid'> & { readonly kind: Kind } {
  return { kind: object.kind as Kind, key: keyOf(object), uid: object.metadata.uid };
}

function ignoreRefusal(error: unknown): void {
  if (!isApiError(error)) throw error;
}
