import type { Kind } from '../../../shared/generated/types.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { EngineLook, History, ObjectChange, Request, Step } from '../history.ts';
import { leaderLease } from './facts.ts';

type Part = Record<string, unknown>;

/** Tells a history by hand, revision by revision, to see what an oracle says of it. Server `s` leads from the start. */
export class Story implements History {
  readonly steps: Step[] = [];
  readonly requests: Request[] = [];
  readonly looks: EngineLook[] = [];
  readonly setBack = new Set<string>();
  readonly #present = new Map<string, KubeObject>();
  #at = 0;

  constructor() {
    this.put('Lease', leaderLease, { spec: { holderIdentity: 's' } });
  }

  get at(): number {
    return this.#at;
  }

  /** Lets time pass, in milliseconds. */
  later(ms: number): this {
    this.#at += ms;
    return this;
  }

  /** One object is created, or what is named of it changes. The uid is the name's unless given. */
  put(
    kind: Kind,
    key: string,
    parts: Part & { metadata?: Part } = {},
    how: Pick<Step, 'writer' | 'unanswered'> = {},
  ): this {
    return this.step([this.change(kind, key, parts)], how);
  }

  remove(kind: Kind, key: string): this {
    return this.step([{ kind, key, ...this.#before(kind, key) }]);
  }

  change(kind: Kind, key: string, { metadata, ...parts }: Part & { metadata?: Part } = {}): ObjectChange {
    const { before } = this.#before(kind, key);
    const [name = '', namespace] = key.split('/').reverse();
    const fresh = { name, ...(namespace ? { namespace } : {}), uid: name, creationTimestamp: '', resourceVersion: '' };
    const bare = kind === 'Pod' ? { spec: { containers: [] } } : {};
    const meta = { ...fresh, ...before?.metadata, ...metadata, resourceVersion: String(this.steps.length + 1) };
    return {
      kind,
      key,
      ...(before ? { before } : {}),
      after: { kind, apiVersion: 'v1', ...bare, ...before, ...parts, metadata: meta },
    };
  }

  /** Several changes in one transaction. */
  step(changes: readonly ObjectChange[], how: Pick<Step, 'writer' | 'unanswered'> = {}): this {
    this.steps.push({ revision: this.steps.length + 1, at: this.#at, writer: 's', ...how, changes });
    for (const { kind, key, after } of changes) {
      if (after) this.#present.set(`${kind} ${key}`, after);
      else this.#present.delete(`${kind} ${key}`);
    }
    return this;
  }

  /** A request that is answered at once with the object as it is stored now, or as given. */
  ask(request: Omit<Request, 'asked'>): this {
    const answer = this.#present.get(`${request.kind} ${request.key}`);
    this.requests.push({
      asked: this.#at,
      answered: this.#at,
      outcome: 'done',
      ...(answer ? { answer } : {}),
      ...request,
    });
    return this;
  }

  look(node: string, uids: readonly string[], containers: readonly string[] = ['main']): this {
    const running = uids.flatMap((uid) => containers.map((container) => ({ uid, container })));
    this.looks.push({ at: this.#at, node, sandboxes: uids, running });
    return this;
  }

  #before(kind: Kind, key: string): { readonly before?: KubeObject } {
    const before = this.#present.get(`${kind} ${key}`);
    return before ? { before } : {};
  }
}

export const ready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
export const unready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] };
export const deleted = { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } };

/** The metadata of what `owner` manages. */
export function managedBy(owner: string, kind = 'ReplicaSet', labels: Readonly<Record<string, string>> = {}) {
  return { labels, ownerReferences: [{ apiVersion: 'apps/v1', kind, name: owner, uid: owner, controller: true }] };
}

/** A Deployment `web` with one ReplicaSet `web-1` and its ready pods `web-1-0` … of that label. */
export function deployed(story: Story, replicas: number, strategy: object): Story {
  story.put('Deployment', 'default/web', { spec: { replicas, strategy } });
  return sized(story, 'web-1', replicas, replicas);
}

export function sized(story: Story, set: string, size: number, pods: number): Story {
  story.put('ReplicaSet', `default/${set}`, { metadata: managedBy('web', 'Deployment'), spec: { replicas: size } });
  for (let i = 0; i < pods; i++) {
    const metadata = managedBy(set, 'ReplicaSet', { app: 'web' });
    story.put('Pod', `default/${set}-${i}`, { metadata, spec: { nodeName: 'n', containers: [] }, status: ready });
  }
  return story;
}
