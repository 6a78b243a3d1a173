import { isApiError } from '../../../shared/errors.ts';
import { apiVersionOf } from '../../../shared/kinds/index.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { isRecord } from '../../../shared/records.ts';
import { typedFaults } from '../managed-fields/typed-faults.ts';
import { storedAs } from './decode.ts';
import { badRequest, groupVersionKind, otherName, otherNamespace } from './refusals.ts';
import type { WriteRequest } from './request.ts';

/** What a client applies: checked, in its normal form, and without the metadata that the server sets. */
export interface ApplyConfig {
  /** As it was sent. */
  readonly sent: Readonly<Record<string, unknown>>;
  /** In the stored version, without defaults. */
  readonly object: KubeObject;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

/** Throws BadRequest. */
export function readConfig({ def, namespace, name: named }: WriteRequest, body: unknown): ApplyConfig {
  if (!isRecord(body)) throw badRequest('error decoding YAML: the configuration must be an object');
  const wanted = groupVersionKind(apiVersionOf(def), def.kind);
  const given = groupVersionKind(text(body.apiVersion), text(body.kind));
  if (given !== wanted) throw badRequest(`invalid object type: ${given}`);
  const metadata = isRecord(body.metadata) ? body.metadata : {};
  if (metadata.managedFields !== undefined && metadata.managedFields !== null) {
    throw badRequest('metadata.managedFields must be nil');
  }
  const name = text(metadata.name) || named;
  if (name !== named) throw otherName(name, named);
  if (namespace && metadata.namespace && metadata.namespace !== namespace) throw otherNamespace();
  const faults = typedFaults(def.schema.shape, body);
  if (faults.length > 0) {
    const what = `${namespace ?? ''}/${named}; ${wanted}`;
    throw badRequest(`failed to create typed patch object (${what}): ${listed(faults)}`);
  }
  const { object } = def.schema.decode(body, { validation: 'Ignore' });
  const stored = storedAs(def, object);
  const {
    uid,
    resourceVersion,
    name: _n,
    namespace: _ns,
    creationTimestamp: _c,
    generation: _g,
    selfLink: _s,
    ...rest
  } = stored.metadata;
  return { sent: body, object: { ...stored, metadata: rest } as KubeObject, uid, resourceVersion };
}

/** What client-side apply applied last, from the annotation that it leaves; undefined when that cannot be read. */
export function lastConfig(def: KindDef, text: string | undefined): KubeObject | undefined {
  if (!text) return undefined;
  try {
    const { object } = def.schema.decode(JSON.parse(text), { validation: 'Ignore' });
    return storedAs(def, object);
  } catch (error) {
    if (error instanceof SyntaxError || isApiError(error)) return undefined;
    throw error;
  }
}

function listed(faults: readonly string[]): string {
  return faults.length === 1 ? (faults[0] ?? '') : `errors:\n  ${faults.join('\n  ')}`;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
