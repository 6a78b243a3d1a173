import type { Client } from '../client.ts';
import { ApiError, isApiError } from '../errors.ts';
import type { Kind, KindMap, NodeEnrollmentSpec } from '../generated/types.ts';
import { type Random, uuid } from '../random.ts';

/**
 * A node's certificates carry the uid of its enrollment (`NodeEnrollment`, of the node's name), and count while the
 * enrollment has it. So a certificate ends with its enrollment, as a pod's token does with the pod.
 */
export interface EnrollmentDeps {
  readonly client: Pick<Client, 'get' | 'create' | 'update'>;
  /** Must be the system's: a uid must not be guessed. */
  readonly random: Random;
}

/** How often a change is tried again that others got in the way of. */
const tries = 5;

/** A new enrollment of the name, with which the certificates of former ones end. Returns the uid for the new certificate. */
export async function enrollNode({ client, random }: EnrollmentDeps, name: string): Promise<string> {
  const certificateUID = uuid(random);
  await change(client, name, () => ({ certificateUID }));
  return certificateUID;
}

/** The uid for another certificate of the node that was approved for it: the enrollment's, or a new one's where none counts. */
export async function enrollmentOf({ client, random }: EnrollmentDeps, name: string): Promise<string> {
  const fresh = uuid(random);
  const { certificateUID } = await change(client, name, (spec) => {
    if (!spec) return { certificateUID: fresh, acceptsWithoutUID: true };
    return spec.removed ? { certificateUID: fresh } : spec;
  });
  return certificateUID;
}

/**
 * Ends all certificates of the node. Resolves with whether it had enrolled; it is no error when it had not: certificates
 * without a uid end as well.
 */
export async function removeNode({ client, random }: EnrollmentDeps, name: string): Promise<boolean> {
  let enrolled = false;
  await change(client, name, (spec) => {
    enrolled = spec !== undefined;
    return { certificateUID: uuid(random), removed: true };
  });
  return enrolled;
}

/**
 * The uid for a new certificate in place of one that carries `uid`: the same, if the Node that it registered is still there. Forbidden
 * otherwise: the machine must join again. Undefined `uid`: the certificate is older than enrollments, and gets one.
 */
export async function renewEnrollment(
  { client, random }: EnrollmentDeps,
  name: string,
  uid: string | undefined,
): Promise<string> {
  const node = await getOrNone(client, 'Node', name);
  if (!node) throw refused(name, 'its Node was deleted');
  const { certificateUID } = await change(client, name, (spec) => {
    if (spec?.removed) throw refused(name, 'the node was removed');
    const same = uid === undefined ? (spec?.acceptsWithoutUID ?? !spec) : spec?.certificateUID === uid;
    if (!same) throw refused(name, 'the name was enrolled anew');
    if (spec?.nodeUID !== undefined && spec.nodeUID !== node.metadata.uid) {
      throw refused(name, 'its Node was deleted while the machine was away');
    }
    const enrolled = spec ?? { certificateUID: uuid(random), acceptsWithoutUID: true };
    return { ...enrolled, nodeUID: node.metadata.uid };
  });
  return certificateUID;
}

/** Says which Node the machine of the enrollment has registered; one that was said before stays. */
export async function bindEnrollment(
  { client }: Pick<EnrollmentDeps, 'client'>,
  name: string,
  uid: string | undefined,
  nodeUID: string,
): Promise<void> {
  if (uid === undefined) return;
  await changeKnown(client, name, (spec) =>
    spec.certificateUID === uid && !spec.nodeUID ? { ...spec, nodeUID } : spec,
  );
}

/** The Node of that uid was deleted while its machine was there: it registers the next one. */
export async function unbindEnrollment(
  { client }: Pick<EnrollmentDeps, 'client'>,
  name: string,
  nodeUID: string,
): Promise<void> {
  await changeKnown(client, name, (spec) => {
    if (spec.nodeUID !== nodeUID) return spec;
    const { nodeUID: _gone, ...rest } = spec;
    return rest;
  });
}

type Decide<Spec> = (spec: Spec) => NodeEnrollmentSpec;

async function change(
  client: EnrollmentDeps['client'],
  name: string,
  decide: Decide<NodeEnrollmentSpec | undefined>,
): Promise<NodeEnrollmentSpec> {
  for (let attempt = 1; ; attempt++) {
    const present = await getOrNone(client, 'NodeEnrollment', name);
    const spec = decide(present?.spec);
    if (present && same(present.spec, spec)) return spec;
    try {
      if (present) await client.update('NodeEnrollment', { ...present, spec });
      else await client.create('NodeEnrollment', { metadata: { name }, spec });
      return spec;
    } catch (error) {
      if (attempt === tries || !isApiError(error, 'Conflict', 'AlreadyExists', 'NotFound')) throw error;
    }
  }
}

async function changeKnown(
  client: EnrollmentDeps['client'],
  name: string,
  decide: Decide<NodeEnrollmentSpec>,
): Promise<void> {
  if (await getOrNone(client, 'NodeEnrollment', name)) await change(client, name, (spec) => decide(spec ?? gone(name)));
}

function same(a: NodeEnrollmentSpec, b: NodeEnrollmentSpec): boolean {
  return (
    a.certificateUID === b.certificateUID &&
    a.nodeUID === b.nodeUID &&
    !a.removed === !b.removed &&
    !a.acceptsWithoutUID === !b.acceptsWithoutUID
  );
}

async function getOrNone<K extends Kind>(
  client: Pick<Client, 'get'>,
  kind: K,
  name: string,
): Promise<KindMap[K] | undefined> {
  try {
    return await client.get(kind, name);
  } catch (error) {
    if (isApiError(error, 'NotFound')) return undefined;
    throw error;
  }
}

function gone(name: string): never {
  throw new ApiError('NotFound', `nodeenrollments.coracle.io "${name}" not found`);
}

function refused(name: string, why: string): ApiError {
  const message = `the certificate of node "${name}" is not renewed: ${why}; join again with a token`;
  return new ApiError('Forbidden', message, { kind: 'nodes', name });
}
