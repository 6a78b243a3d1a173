import { expect } from 'vitest';
import type { ControlPlaneDeps } from '../../control-plane/control-plane.ts';
import type { Node, Pod } from '../../shared/generated/types.ts';
import type { Connection, FromNode, Heartbeat, HeartbeatAck, ToNode } from '../../shared/session.ts';
import { HollowCluster } from './hollow-cluster.ts';
import { connectionPair } from './node-session.ts';

/** A control plane without nodes, and agents that open sessions with it. */
export class SessionScene {
  readonly cluster: HollowCluster;
  readonly #agents: Agent[] = [];

  private constructor(more: Partial<ControlPlaneDeps>) {
    this.cluster = new HollowCluster(1, more);
    this.cluster.kubelets = false;
  }

  /** `more`: what else the control plane is given. */
  static async start(more: Partial<ControlPlaneDeps> = {}): Promise<SessionScene> {
    const scene = new SessionScene(more);
    await scene.cluster.start();
    return scene;
  }

  /** Opens a session and registers `node`. `user`: whose certificate is shown. */
  open(name: string, user = `system:node:${name}`, node: Partial<Node> = {}): Agent {
    const agent = new Agent(this.cluster, name, user, node);
    this.#agents.push(agent);
    return agent;
  }

  async joined(name: string): Promise<Agent> {
    const agent = this.open(name);
    await this.cluster.until(async () => agent.of('assignments').length > 0, `${name} has its assignments`, 5);
    return agent;
  }

  createPod(name: string, nodeName?: string, spec: object = {}): Promise<Pod> {
    const containers = [{ name: 'main', image: 'x' }];
    const draft = { metadata: { name, namespace: 'default' }, spec: { containers, nodeName, ...spec } };
    return this.cluster.settle(this.cluster.client.create('Pod', draft as never));
  }

  async stop(): Promise<void> {
    for (const agent of this.#agents) agent.connection.close();
    await this.cluster.stop();
  }
}

/** The agent's end of a session, controlled by the test. */
class Agent {
  readonly received: ToNode[] = [];
  /** The sequences of acknowledged heartbeats, and how the stream of heartbeats ended. */
  readonly acknowledged: number[] = [];
  beating: Connection<HeartbeatAck, Heartbeat> | undefined;
  heartbeatsServed: Promise<unknown> | undefined;
  readonly served: Promise<unknown>;
  readonly connection: Connection<ToNode, FromNode>;

  readonly #cluster: HollowCluster;

  constructor(
    cluster: HollowCluster,
    readonly name: string,
    user: string,
    node: Partial<Node>,
  ) {
    const [mine, theirs] = connectionPair<ToNode, FromNode>();
    this.connection = mine;
    this.#cluster = cluster;
    const identity = { user, groups: ['system:nodes', 'system:authenticated'] };
    this.served = cluster.controlPlane.sessions.serve(theirs, identity).catch((error) => error);
    void this.#receive();
    const object = { metadata: { name, labels: { 'kubernetes.io/hostname': name } }, spec: {}, ...node } as Node;
    void mine.send({ type: 'register', nodeName: name, node: object, instance: 'i' });
  }

  of<T extends ToNode['type']>(type: T): Array<Extract<ToNode, { type: T }>> {
    return this.received.filter((message): message is Extract<ToNode, { type: T }> => message.type === type);
  }

  /** What the agent is assigned: kind|namespace/name → object. */
  assigned(): Map<string, unknown> {
    const state = new Map<string, unknown>();
    let version = 0;
    for (const { mode, appliesTo, resultsIn, changes } of this.of('assignments')) {
      if (mode === 'COMPLETE') state.clear();
      else expect(appliesTo).toBe(version);
      version = resultsIn;
      for (const { kind, namespace, name, removed, object } of changes) {
        if (removed) state.delete(`${kind}|${namespace}/${name}`);
        else state.set(`${kind}|${namespace}/${name}`, object);
      }
    }
    return state;
  }

  /** The first dials. `as`: whose certificate is shown. */
  async heartbeat(sequence: number, as = this.name, until = Number.POSITIVE_INFINITY): Promise<void> {
    if (this.beating) return this.beating.send({ sequence });
    const [mine, theirs] = connectionPair<HeartbeatAck, Heartbeat>();
    this.beating = mine;
    this.heartbeatsServed = this.#cluster.liveness.serveHeartbeats(theirs, { node: as, until }).catch((error) => error);
    void this.#hearAcks(mine);
    await mine.send({ sequence, sessionId: this.of('registered')[0]?.sessionId ?? '' });
  }

  async #hearAcks({ incoming }: Connection<HeartbeatAck, Heartbeat>): Promise<void> {
    for await (const { sequence } of incoming) this.acknowledged.push(sequence);
  }

  async #receive(): Promise<void> {
    for await (const message of this.connection.incoming) this.received.push(message);
  }
}
