import type { Kind, KindMap, StatusCause } from '../generated/types.ts';
import type { KubeObject } from '../object.ts';
import { configMap } from './config-map.ts';
import { deployment } from './deployment.ts';
import { event } from './event.ts';
import { joinToken } from './join-token.ts';
import type { Behaviour, KindDef, Strategy } from './kind.ts';
import { lease } from './lease.ts';
import { validateMetadata } from './metadata.ts';
import { apiVersionOf } from './names.ts';
import { namespace } from './namespace.ts';
import { node } from './node.ts';
import { nodeGuard } from './node-guard.ts';
import { pod } from './pod.ts';
import { podTemplate } from './pod-template.ts';
import { replicaSet } from './replica-set.ts';
import { replicationController } from './replication-controller.ts';
import { secret } from './secret.ts';
import { serviceAccount } from './service-account.ts';
import { type KindEntry, kindTable } from './table.ts';

export { apiVersionOf } from './names.ts';

/** What every kind does, by its name. */
const behaviours: { readonly [K in Kind]: Behaviour<KindMap[K]> } = {
  Namespace: namespace,
  Node: node,
  Pod: pod,
  PodTemplate: podTemplate,
  ReplicationController: replicationController,
  ReplicaSet: replicaSet,
  Deployment: deployment,
  ConfigMap: configMap,
  Secret: secret,
  Event: event,
  ServiceAccount: serviceAccount,
  Lease: lease,
  NodeGuard: nodeGuard,
  JoinToken: joinToken,
};

/** The whole kind table: every kind that is served, in a stable order. */
export const kinds: readonly KindDef[] = kindTable.map(define);

const byKind = new Map(kinds.map((kind) => [kind.kind, kind]));
const byResource = new Map(kinds.map((kind) => [`${kind.group}/${kind.version}/${kind.plural}`, kind]));
const byWord = indexWords(kinds);

/** The kind of a name that is known to be one. Throws when it is none: a mistake of the caller. */
export function kindNamed(kind: Kind): KindDef {
  const found = byKind.get(kind);
  if (!found) throw new Error(`no kind ${kind}`);
  return found;
}

/** The kind that a client calls so in an object's `apiVersion` and `kind`. */
export function kindOf(apiVersion: string, kind: string): KindDef | undefined {
  const found = byKind.get(kind);
  return found && apiVersionOf(found) === apiVersion ? found : undefined;
}

/** The kind behind a URL: `/apis/GROUP/VERSION/…/PLURAL`, `/api/v1/…/PLURAL` with the empty group. */
export function kindForResource(group: string, version: string, plural: string): KindDef | undefined {
  return byResource.get(`${group}/${version}/${plural}`);
}

/** The kind that a person means: its plural, singular, short name or Kind, also with its group (`deployments.apps`). */
export function findKind(word: string): KindDef | undefined {
  return byWord.get(word.toLowerCase());
}

function define(entry: KindEntry): KindDef {
  const { nameFormat, strategy, columns } = behaviours[entry.kind as Kind] as unknown as Behaviour;
  const rules = { namespaced: entry.namespaced, name: nameFormat };
  const whole: Strategy = {
    ...strategy,
    validate(object: KubeObject, causes: StatusCause[]) {
      validateMetadata(object.metadata, rules, causes);
      strategy.validate?.(object, causes);
    },
  };
  return { ...entry, columns, strategy: whole };
}

function indexWords(all: readonly KindDef[]): Map<string, KindDef> {
  const index = new Map<string, KindDef>();
  for (const kind of all) {
    for (const word of [kind.plural, kind.singular, ...kind.shortNames, kind.kind.toLowerCase()]) {
      if (!index.has(word)) index.set(word, kind);
      if (kind.group) {
        index.set(`${word}.${kind.group}`, kind);
        index.set(`${word}.${kind.version}.${kind.group}`, kind);
      }
    }
  }
  return index;
}
