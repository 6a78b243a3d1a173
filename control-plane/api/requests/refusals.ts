import { ApiError } from '../../../shared/errors.ts';
import type { ManagedFieldsEntry } from '../../../shared/generated/types.ts';
import type { KindEntry } from '../../../shared/kinds/table.ts';
import { invalidError, required } from '../../../shared/schema/causes.ts';
import { printPath } from '../managed-fields/field-set.ts';

// Errors in Kubernetes' words (apimachinery, `api/errors`).

type Resource = Pick<KindEntry, 'plural' | 'group'>;

interface OwnedField {
  readonly entry: ManagedFieldsEntry;
  readonly path: readonly string[];
}

export function notFound(entry: Resource, name: string): ApiError {
  return new ApiError('NotFound', `${resourceName(entry)} ${JSON.stringify(name)} not found`, details(entry, name));
}

export function alreadyExists(entry: Resource, name: string): ApiError {
  return new ApiError(
    'AlreadyExists',
    `${resourceName(entry)} ${JSON.stringify(name)} already exists`,
    details(entry, name),
  );
}

/** No generated name was free: the client may try again. */
export function nameConflict(entry: Resource, name: string): ApiError {
  const { message } = alreadyExists(entry, name);
  return new ApiError('AlreadyExists', `${message}, the server was not able to generate a unique name for the object`, {
    ...details(entry, name),
    retryAfterSeconds: 1,
  });
}

/** An update without a resourceVersion, of a kind for which Kubernetes requires one. */
export function unversioned({ plural, group }: Resource, name: string): ApiError {
  const message = 'Invalid value: 0x0: must be specified for an update';
  return invalidError({ kind: plural, group }, name, [
    { reason: 'FieldValueInvalid', message, field: 'metadata.resourceVersion' },
  ]);
}

export function conflict(entry: Resource, name: string, why: string): ApiError {
  return new ApiError(
    'Conflict',
    `Operation cannot be fulfilled on ${resourceName(entry)} ${JSON.stringify(name)}: ${why}`,
    details(entry, name),
  );
}

export function modified(entry: Resource, name: string): ApiError {
  return conflict(
    entry,
    name,
    'the object has been modified; please apply your changes to the latest version and try again',
  );
}

/** Fields that a conflict names; of further ones it has the number. */
const maxConflicts = 256;

/** An apply that would change fields of other managers, in the words of Kubernetes' field manager. */
export function applyConflict(conflicts: readonly OwnedField[]): ApiError {
  const causes = conflicts.slice(0, maxConflicts).map(({ entry: owner, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${printManager(owner)}`,
    field: printPath(path),
  }));
  return new ApiError('Conflict', conflictMessage(conflicts), { causes });
}

/** Kubernetes' error for an apply without a field manager. */
export function needsManager(): ApiError {
  return invalidError({ kind: 'PatchOptions', group: 'meta.k8s.io' }, '', [
    required('fieldManager', 'is required for apply patch'),
  ]);
}

function conflictMessage(conflicts: readonly OwnedField[]): string {
  const [first] = conflicts;
  if (conflicts.length === 1 && first) {
    return `Apply failed with 1 conflict: conflict with ${printManager(first.entry)}: ${printPath(first.path)}`;
  }
  const byManager = new Map<string, string[]>();
  for (const { entry, path } of conflicts.slice(0, maxConflicts)) {
    const manager = printManager(entry);
    const lines = byManager.get(manager) ?? [];
    lines.push(`- ${printPath(path)}`);
    byManager.set(manager, lines);
  }
  const parts = [...byManager].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = parts.flatMap(([manager, paths]) => [`conflicts with ${manager}:`, ...paths]);
  if (conflicts.length > maxConflicts) lines.push(`and ${conflicts.length - maxConflicts} more`);
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`;
}

function printManager({ manager = '', operation, apiVersion, subresource }: OwnedField['entry']): string {
  const name = `${JSON.stringify(manager)}${subresource ? ` with subresource ${JSON.stringify(subresource)}` : ''}`;
  return operation === 'Update' ? `${name} using ${apiVersion}` : name;
}

/** A write that a rule of the cluster forbids; with a cause, when Kubernetes gives it one. */
export function forbidden(
  entry: Resource,
  name: string,
  why: string,
  cause?: { readonly reason: string; readonly field: string; readonly message: string },
): ApiError {
  return new ApiError('Forbidden', `${resourceName(entry)} ${JSON.stringify(name)} is forbidden: ${why}`, {
    ...details(entry, name),
    ...(cause ? { causes: [cause] } : {}),
  });
}

export function badRequest(message: string): ApiError {
  return new ApiError('BadRequest', message);
}

/** The body of a write names another object than the URL. */
export function otherName(name: unknown, onUrl: string): ApiError {
  return badRequest(`the name of the object (${name}) does not match the name on the URL (${onUrl})`);
}

export function otherNamespace(): ApiError {
  return badRequest('the namespace of the provided object does not match the namespace sent on the request');
}

/** As Go prints it: `apps/v1, Kind=Deployment`, `/v1, Kind=Pod`. */
export function groupVersionKind(apiVersion: string, kind: string): string {
  return `${apiVersion.includes('/') ? '' : '/'}${apiVersion}, Kind=${kind}`;
}

/** A path that has other methods only. */
export function notAllowed(): ApiError {
  return new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
}

/** Of a kind whose schema has no strategic merge patches. */
export function noStrategicPatch(): ApiError {
  const types = 'application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml';
  const why = `the body of the request was in an unknown format - accepted media types include: ${types}`;
  return new ApiError('UnsupportedMediaType', why);
}

/** `pods`, `deployments.apps`. */
export function resourceName({ plural, group }: Resource): string {
  return group ? `${plural}.${group}` : plural;
}

function details({ plural, group }: Resource, name: string) {
  return { ...(name ? { name } : {}), ...(group ? { group } : {}), kind: plural };
}
