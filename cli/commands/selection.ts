import type { Argv } from 'yargs';
import { ApiError } from '../../shared/errors.ts';
import type { Kind } from '../../shared/generated/types.ts';
import type { KubeObject } from '../../shared/object.ts';
import type { Cluster } from '../cluster.ts';
import { UsageError } from '../io.ts';
import { kindNameOf, type Named } from '../resources.ts';
import { allNamespacesOption } from './options.ts';

/** Which objects of a kind a command is for. */
export interface Selection {
  readonly allNamespaces: boolean;
  readonly selector?: string;
  readonly fieldSelector?: string;
}

export function selectionOptions<T>(yargs: Argv<T>) {
  return allNamespacesOption(yargs)
    .option('selector', { alias: 'l', type: 'string', describe: 'Label selector: app=web,tier in (a,b)' })
    .option('field-selector', { type: 'string', describe: 'Field selector: spec.nodeName=worker-1' });
}

/** The objects that an argument selects. The messages of those that do not exist are added to `missing`. */
export async function readSelected(
  { client, namespace }: Cluster,
  { def, name }: Named,
  selection: Selection,
  missing: string[],
): Promise<KubeObject[]> {
  const kind: Kind = kindNameOf(def);
  if (name === undefined) {
    const { items } = await client.list(kind, {
      namespace: def.namespaced && !selection.allNamespaces ? namespace : undefined,
      labelSelector: selection.selector,
      fieldSelector: selection.fieldSelector,
    });
    return items;
  }
  if (selection.allNamespaces) throw new UsageError('an object is named in one namespace: -A does not go with a name');
  try {
    return [await client.get(kind, name, def.namespaced ? namespace : undefined)];
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== 'NotFound') throw error;
    missing.push(`${error.message} (NotFound)`);
    return [];
  }
}
