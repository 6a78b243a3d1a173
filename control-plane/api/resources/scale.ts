import type { LabelSelector, Scale } from '../../../shared/generated/types.ts';
import { apiVersionOf } from '../../../shared/kinds/index.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { invalid, invalidError } from '../../../shared/schema/causes.ts';
import { formatSelector, selectorOf, selectorOfMap } from '../../../shared/selector.ts';
import type { MutateOptions, PatchBody, RequestContext, Target } from '../api.ts';
import { isRecord } from '../patch/merge.ts';
import { applyReplicas, type Config } from '../requests/apply.ts';
import { attributesOf } from '../requests/attributes.ts';
import { decodeBody } from '../requests/decode.ts';
import { type Change, guardedUpdate } from '../requests/guarded-update.ts';
import { badRequest } from '../requests/refusals.ts';
import { applyPatch, checkPreconditions, mainUpdate, ownedBy } from '../requests/update.ts';
import type { WriteCore } from '../requests/write-core.ts';

type ScaleObject = KubeObject & Scale;

interface Scalable extends KubeObject {
  spec: { replicas?: number; selector?: LabelSelector | Record<string, string> };
  status?: { replicas?: number };
}

/** An object that runs replicas, seen through autoscaling/v1's `Scale`. */
export function scaleOf(def: KindDef, object: KubeObject): ScaleObject {
  const { spec, status } = object as Scalable;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const labels = spec.selector ?? {};
  const selector =
    def.kind === 'ReplicationController' ? selectorOfMap(labels as Record<string, string>) : selectorOf(labels);
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: spec.replicas ?? 0 },
    status: { replicas: status?.replicas ?? 0, selector: formatSelector(selector) },
  };
}

/** Sets the number of replicas. `change`: what the client wants the Scale to be, given what it is. */
export async function updateScale(
  core: WriteCore,
  context: RequestContext,
  def: KindDef,
  target: Target,
  verb: 'update' | 'patch',
  body: unknown,
  options: MutateOptions = {},
): Promise<KubeObject> {
  core.authorize(context, verb, attributesOf(def, target));
  if (verb === 'patch' && (body as PatchBody).type === 'apply') {
    const config = replicasConfig(def, target.name, (body as PatchBody).body);
    return scaleOf(def, await applyReplicas(core, context, def, target, config, options));
  }
  const own = ownedBy(core, context, def, options, 'scale');
  const outcome = await guardedUpdate(
    core,
    context,
    { def, namespace: target.namespace, name: target.name, subresource: 'scale', admit: 'update' },
    (current): Change => {
      const scale = scaleOf(def, current);
      const wanted = verb === 'update' ? body : applyPatch({ message: scaleMessage }, scale, body as PatchBody);
      const replicas = readReplicas(wanted, target.name);
      checkPreconditions(def, current.metadata, (wanted as ScaleObject).metadata ?? {});
      const { spec } = current as Scalable;
      const incoming = decodeBody(def, { ...current, spec: { ...spec, replicas } }, {}, []);
      return mainUpdate(def, current, incoming, own);
    },
    options.dryRun,
  );
  return scaleOf(def, outcome.object);
}

const scaleMessage = 'k8s.io.api.autoscaling.v1.Scale';

/** What applying a Scale says of the object that it stands for. */
function replicasConfig(def: KindDef, name: string, scale: unknown): Config {
  const replicas = readReplicas(scale, name);
  const { metadata = {} } = scale as Partial<ScaleObject>;
  const spec = isRecord(scale) && isRecord(scale.spec) && scale.spec.replicas !== undefined ? { replicas } : {};
  const object = { apiVersion: apiVersionOf(def), kind: def.kind, metadata: {}, spec } as unknown as KubeObject;
  const { uid, resourceVersion } = metadata as Partial<ScaleObject['metadata']>;
  return { sent: {}, object, uid, resourceVersion };
}

function readReplicas(scale: unknown, name: string): number {
  if (!isRecord(scale) || (scale.kind !== undefined && scale.kind !== 'Scale')) {
    throw badRequest('the body must be a Scale of autoscaling/v1');
  }
  const { metadata } = scale;
  if (isRecord(metadata) && metadata.name !== undefined && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  const replicas = isRecord(scale.spec) ? (scale.spec.replicas ?? 0) : 0;
  if (!Number.isSafeInteger(replicas)) throw badRequest('spec.replicas: must be an integer');
  if ((replicas as number) < 0) {
    const cause = invalid('spec.replicas', replicas, 'must be greater than or equal to 0');
    throw invalidError({ kind: 'Scale', group: 'autoscaling' }, name, [cause]);
  }
  return replicas as number;
}
