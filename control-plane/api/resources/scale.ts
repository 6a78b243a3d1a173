import type { LabelSelector, Scale } from '../../../shared/generated/types.ts';
import { apiVersionOf } from '../../../shared/kinds/index.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { isRecord } from '../../../shared/records.ts';
import { invalid, invalidError } from '../../../shared/schema/causes.ts';
import { patchTypeOf } from '../../../shared/schema/proto/patch-types.ts';
import { formatSelector, selectorOf, selectorOfMap } from '../../../shared/selector.ts';
import type { WriteResult } from '../api.ts';
import { applyPatch } from '../patch/apply-patch.ts';
import { applyToPresent } from '../requests/apply.ts';
import type { ApplyConfig } from '../requests/apply-config.ts';
import { decodeBody } from '../requests/decode.ts';
import { guardedUpdate } from '../requests/guarded-update.ts';
import { checkPreconditions } from '../requests/preconditions.ts';
import { badRequest, otherName } from '../requests/refusals.ts';
import { replacement, trackerOf } from '../requests/replacement.ts';
import { attributesOf, type WriteRequest } from '../requests/request.ts';
import type { SubresourceHandler } from '../requests/subresource.ts';

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

export const scale: SubresourceHandler = {
  get: scaleOf,
  update: (request, body) => setReplicas(request, 'update', () => body),
  async patch(request, patch) {
    if (patch.type !== 'apply') {
      const patched = (current: ScaleObject): unknown => applyPatch(patchTypeOf(scaleMessage), current, patch);
      return setReplicas(request, 'patch', patched);
    }
    const { core, context, def } = request;
    core.authorize(context, 'patch', attributesOf(request));
    const object = await applyToPresent(request, replicasConfig(request, patch.body));
    return { object: scaleOf(def, object), outcome: 'updated' };
  },
};

/** Sets the number of replicas. `wantedOf`: the Scale that the client wants, given the present one. */
async function setReplicas(
  request: WriteRequest,
  verb: 'update' | 'patch',
  wantedOf: (current: ScaleObject) => unknown,
): Promise<WriteResult> {
  const { core, context, def, name } = request;
  core.authorize(context, verb, attributesOf(request));
  const track = trackerOf(request);
  const { object } = await guardedUpdate(
    request,
    (current) => {
      const wanted = wantedOf(scaleOf(def, current));
      const replicas = readReplicas(wanted, name);
      checkPreconditions(def, current.metadata, (wanted as ScaleObject).metadata ?? {});
      const { spec } = current as Scalable;
      const incoming = decodeBody(def, { ...current, spec: { ...spec, replicas } }, {}, []);
      return replacement(request, current, incoming, track);
    },
    'update',
  );
  return { object: scaleOf(def, object), outcome: 'updated' };
}

const scaleMessage = 'k8s.io.api.autoscaling.v1.Scale';

/** A Scale that is applied, as a configuration of the object that it belongs to. */
function replicasConfig({ def, name }: WriteRequest, body: unknown): ApplyConfig {
  const replicas = readReplicas(body, name);
  const { metadata = {} } = body as Partial<ScaleObject>;
  const spec = isRecord(body) && isRecord(body.spec) && body.spec.replicas !== undefined ? { replicas } : {};
  const object = { apiVersion: apiVersionOf(def), kind: def.kind, metadata: {}, spec } as unknown as KubeObject;
  const { uid, resourceVersion } = metadata as Partial<ScaleObject['metadata']>;
  return { sent: {}, object, uid, resourceVersion };
}

function readReplicas(body: unknown, name: string): number {
  if (!isRecord(body) || (body.kind !== undefined && body.kind !== 'Scale')) {
    throw badRequest('the body must be a Scale of autoscaling/v1');
  }
  const { metadata } = body;
  if (isRecord(metadata) && metadata.name !== undefined && metadata.name !== name) throw otherName(metadata.name, name);
  const replicas = isRecord(body.spec) ? (body.spec.replicas ?? 0) : 0;
  if (!Number.isSafeInteger(replicas)) throw badRequest('spec.replicas: must be an integer');
  if ((replicas as number) < 0) {
    const cause = invalid('spec.replicas', replicas, 'must be greater than or equal to 0');
    throw invalidError({ kind: 'Scale', group: 'autoscaling' }, name, [cause]);
  }
  return replicas as number;
}
