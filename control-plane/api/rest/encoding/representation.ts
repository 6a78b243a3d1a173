import { ApiError } from '../../../../shared/errors.ts';
import type { KindDef } from '../../../../shared/kinds/kind.ts';
import { apiVersionOf } from '../../../../shared/kinds/names.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { badRequest } from '../../requests/refusals.ts';
import type { Format } from './negotiate.ts';
import { type Include, partialOf, rowOf, shownAs, tableHead, tableOf } from './table.ts';

/** How objects of a kind are represented to a client. */
export interface Representation {
  readonly format: Format;
  readonly def: KindDef;
  /** What the rows of a Table contain of the objects. */
  readonly include: Include;
  /** Milliseconds since the epoch, for ages. */
  readonly now: number;
}

/** One object. An object of another kind, such as a Status, stays as it is. */
export function representObject(representation: Representation, object: KubeObject): object {
  const { format, include, now } = representation;
  const def = shownAs(representation.def, object);
  if (format.as === undefined || object.kind !== def.kind) return object;
  const apiVersion = metaVersion(format);
  if (format.as === 'PartialObjectMetadata') return partialOf(object, apiVersion);
  if (format.as === 'Table') {
    const { resourceVersion } = object.metadata;
    return tableOf(def, [object], { resourceVersion }, { include, now, apiVersion });
  }
  throw wrongForm(`PartialObjectMetadataList, but the requested object is not a list (${goType(def)})`);
}

/** The frame of a list's page, the name of its items' field, and the form of each item. */
export interface PageForm {
  readonly head: object;
  readonly field: 'items' | 'rows';
  readonly shape?: (object: KubeObject) => object;
}

export function pageForm(representation: Representation, metadata: object): PageForm {
  const { format, def, include, now } = representation;
  const apiVersion = metaVersion(format);
  switch (format.as) {
    case undefined:
      return { head: { kind: `${def.kind}List`, apiVersion: apiVersionOf(def), metadata }, field: 'items' };
    case 'Table': {
      const options = { include, now, apiVersion };
      const head = tableHead(def, metadata, options);
      return { head, field: 'rows', shape: (object) => rowOf(def, object, options) };
    }
    case 'PartialObjectMetadataList': {
      const head = { kind: format.as, apiVersion, metadata };
      return { head, field: 'items', shape: (object) => partialOf(object, apiVersion) };
    }
    case 'PartialObjectMetadata':
      throw wrongForm(`PartialObjectMetadata, but the requested object is a list (${goType(def)}List)`);
  }
}

/** The object of a watch event. `first`: a Table has its columns only in the first event. */
export function representEvent(
  representation: Representation,
  object: KubeObject,
  bookmark: boolean,
  first: boolean,
): object {
  const { format, def, include, now } = representation;
  const apiVersion = metaVersion(format);
  switch (format.as) {
    case undefined:
      return object;
    case 'Table': {
      const { resourceVersion } = object.metadata;
      const rows = bookmark ? [] : [object];
      return tableOf(def, rows, { resourceVersion }, { include, now, apiVersion, withColumns: first });
    }
    default:
      return partialOf(object, apiVersion);
  }
}

/** The `includeObject` parameter. Throws BadRequest with Kubernetes' message. */
export function includeOf(query: URLSearchParams): Include {
  const include = query.get('includeObject') || 'Metadata';
  if (include === 'None' || include === 'Object' || include === 'Metadata') return include;
  throw badRequest(
    `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(include)}: must be 'Metadata', 'Object', 'None', or empty`,
  );
}

function metaVersion({ version }: Format): string {
  return `meta.k8s.io/${version ?? 'v1'}`;
}

function wrongForm(wanted: string): ApiError {
  return new ApiError('NotAcceptable', `you requested ${wanted}`);
}

/** The Go type of a kind, as it occurs in Kubernetes' messages. */
function goType({ group, kind }: KindDef): string {
  return `*${group.split('.')[0] || 'core'}.${kind}`;
}
