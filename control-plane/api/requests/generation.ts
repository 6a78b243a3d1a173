import type { PodTemplate } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { deepEqual } from '../patch/equal.ts';

/** The part of an object whose changes increase its generation. */
export function countedBy({ subresources, strategy }: KindDef): 'spec' | 'template' | 'body' | 'none' {
  return strategy.generation ?? (subresources.includes('status') ? 'spec' : 'none');
}

/** Whether `next` is a new generation of `current`. */
export function isNewGeneration(def: KindDef, next: KubeObject, current: KubeObject): boolean {
  switch (countedBy(def)) {
    case 'none':
      return false;
    case 'spec':
      return !deepEqual(next.spec, current.spec);
    case 'template':
      return !deepEqual((next as PodTemplate).template, (current as PodTemplate).template);
    case 'body': {
      const { metadata, ...body } = next;
      const { metadata: before, ...old } = current;
      return !deepEqual(body, old) || !deepEqual(metadata.labels ?? {}, before.labels ?? {});
    }
  }
}
