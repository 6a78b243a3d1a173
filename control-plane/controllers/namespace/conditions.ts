import type { NamespaceCondition } from '../../../shared/generated/types.ts';
import type { KindEntry } from '../../../shared/kinds/table.ts';
import type { KubeObject } from '../../../shared/object.ts';

/** What is left of one kind in a namespace that is being deleted. */
export interface Leftover {
  readonly def: Pick<KindEntry, 'plural' | 'group'>;
  readonly items: readonly KubeObject[];
}

type Condition = Pick<NamespaceCondition, 'type' | 'status' | 'reason' | 'message'>;

/** Names that a condition shows of a kind or a finalizer. */
const maxNames = 10;

/**
 * What holds a namespace, as Kubernetes' namespace controller says it, and by name. `failures`: why deletions failed. A condition is True when
 * it holds the namespace.
 */
export function namespaceConditions(left: readonly Leftover[], failures: readonly string[]): Condition[] {
  return [
    passed('NamespaceDeletionDiscoveryFailure', 'ResourcesDiscovered', 'All resources successfully discovered'),
    passed(
      'NamespaceDeletionGroupVersionParsingFailure',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ),
    failures.length > 0
      ? {
          type: 'NamespaceDeletionContentFailure',
          status: 'True',
          reason: 'ContentDeletionFailed',
          message: `Failed to delete all resource types, ${failures.length} remaining: ${[...failures].sort().join(', ')}`,
        }
      : passed(
          'NamespaceDeletionContentFailure',
          'ContentDeleted',
          'All content successfully deleted, may be waiting on finalization',
        ),
    contentRemaining(left),
    finalizersRemaining(left),
  ];
}

function contentRemaining(left: readonly Leftover[]): Condition {
  const type = 'NamespaceContentRemaining';
  if (left.length === 0) return passed(type, 'ContentRemoved', 'All content successfully removed');
  const each = left.map(({ def, items }) => {
    const names = items.map(({ metadata }) => metadata.name);
    return `${def.plural}.${def.group} has ${items.length} resource instances (${shown(names)})`;
  });
  const message = `Some resources are remaining: ${each.sort().join(', ')}`;
  return { type, status: 'True', reason: 'SomeResourcesRemain', message };
}

function finalizersRemaining(left: readonly Leftover[]): Condition {
  const type = 'NamespaceFinalizersRemaining';
  const held = new Map<string, string[]>();
  for (const { def, items } of left) {
    for (const { metadata } of items) {
      for (const finalizer of metadata.finalizers ?? []) {
        const names = held.get(finalizer) ?? [];
        names.push(`${def.plural}/${metadata.name}`);
        held.set(finalizer, names);
      }
    }
  }
  if (held.size === 0) return passed(type, 'ContentHasNoFinalizers', 'All content-preserving finalizers finished');
  const each = [...held].map(
    ([finalizer, names]) => `${finalizer} in ${names.length} resource instances (${shown(names)})`,
  );
  const message = `Some content in the namespace has finalizers remaining: ${each.sort().join(', ')}`;
  return { type, status: 'True', reason: 'SomeFinalizersRemain', message };
}

function passed(type: string, reason: string, message: string): Condition {
  return { type, status: 'False', reason, message };
}

function shown(names: readonly string[]): string {
  const rest = names.length - maxNames;
  return names.slice(0, maxNames).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
