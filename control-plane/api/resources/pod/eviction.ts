import { isRecord } from '../../../../shared/records.ts';
import { deleteObject, readDeleteOptions } from '../../requests/delete.ts';
import { badRequest } from '../../requests/refusals.ts';
import { attributesOf } from '../../requests/request.ts';
import { createdStatus } from '../../requests/status.ts';
import type { SubresourceHandler } from '../../requests/subresource.ts';

/** `POST pods/NAME/eviction`: deletes the pod if its disruption budgets allow it. */
export const eviction: SubresourceHandler = {
  async create(request, body) {
    const { core, context, name, options } = request;
    core.authorize(context, 'create', attributesOf(request));
    const sent = isRecord(body) ? body : {};
    const { kind, metadata } = sent;
    if (kind !== undefined && kind !== 'Eviction') throw badRequest(`not a Eviction object: ${kind}`);
    if (!isRecord(metadata) || metadata.name !== name) {
      throw badRequest('name in URL does not match name in Eviction object');
    }
    const given = isRecord(sent.deleteOptions) ? readDeleteOptions(sent.deleteOptions) : {};
    const dryRun = options.dryRun ? ['All'] : given.dryRun;
    await deleteObject(request, { ...given, dryRun });
    return { object: createdStatus(), outcome: 'created' };
  },
};
