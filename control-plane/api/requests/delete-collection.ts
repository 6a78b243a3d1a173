import { isApiError } from '../../../shared/errors.ts';
import type { DeleteOptions } from '../../../shared/generated/types.ts';
import { verbsOf } from '../../../shared/kinds/table.ts';
import type { ListPage, ListQuery } from '../api.ts';
import { checkDeleteOptions, deleteObject } from './delete.ts';
import { authorizeSelection, listObjects } from './read.ts';
import { notAllowed } from './refusals.ts';
import type { WriteRequest } from './request.ts';
import { selectionOf } from './selection.ts';

/** Objects of one request that are deleted at a time. */
const parallel = 16;

/** Deletes the objects that a list with the same query would show, and answers that list. */
export async function deleteCollection(
  request: WriteRequest,
  query: ListQuery,
  options: DeleteOptions = {},
): Promise<ListPage> {
  const { def } = request;
  authorizeSelection(request, 'deletecollection', selectionOf(def, query));
  if (def.verbs || !verbsOf(def).includes('deletecollection')) throw notAllowed();
  checkDeleteOptions(options);
  const page = await listObjects(request, query);
  const waiting = page.items.values();
  const worker = async (): Promise<void> => {
    for (const { metadata } of waiting) {
      const { name, namespace, uid } = metadata;
      const preconditions = { uid, ...options.preconditions };
      try {
        await deleteObject({ ...request, namespace, name }, { ...options, preconditions });
      } catch (error) {
        // The selected object is gone, even if another of its name exists by now.
        if (!isApiError(error, 'NotFound', 'Conflict')) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return page;
}
