import { ApiError } from '../../shared/errors.ts';
import type { KindEntry } from '../../shared/kinds/table.ts';

/** The pipeline's refusals in Kubernetes' words (apimachinery, `api/errors`). */

type Resource = Pick<KindEntry, 'plural' | 'group'>;

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

/** A refusal of what the object asks for; with a cause, when the rule has a name of its own. */
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

export function methodNotAllowed(entry: Resource, verb: string): ApiError {
  return new ApiError('MethodNotAllowed', `${verb} is not supported on resources of kind "${resourceName(entry)}"`);
}

/** `pods`, `deployments.apps`. */
export function resourceName({ plural, group }: Resource): string {
  return group ? `${plural}.${group}` : plural;
}

function details({ plural, group }: Resource, name: string) {
  return { ...(name ? { name } : {}), ...(group ? { group } : {}), kind: plural };
}
