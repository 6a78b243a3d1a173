import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryObject } from '../../test/support/arbitrary-objects.ts';
import type { KubeObject } from '../object.ts';
import { servedKinds } from './index.ts';
import type { KindDef } from './kind.ts';

function defaulted(kind: KindDef, object: KubeObject): KubeObject {
  const draft = structuredClone(object);
  kind.schema.applyDefaults(draft);
  kind.strategy.default?.(draft);
  return draft;
}

const onceEach = servedKinds.filter(({ secondVersion }) => !secondVersion);

describe.each(onceEach.map((kind) => [kind.kind, kind] as const))('any %s', (_name, kind) => {
  it('is judged, however senseless it is, and never breaks the judge', () => {
    fc.assert(
      fc.property(arbitraryObject(kind), arbitraryObject(kind), (one, other) => {
        const [object, old] = [defaulted(kind, one), defaulted(kind, other)];
        kind.strategy.prepareUpdate?.(object, old);
        const causes = [...kind.schema.validate(object), ...kind.schema.validateImmutable(object, old)];
        kind.strategy.validate?.(object, causes);
        // An update is only compared with what had been accepted before.
        const before = structuredClone(object);
        kind.strategy.validateUpdate?.(object, before, causes);
        kind.strategy.prepareCreate?.(object);
        for (const { field, message, reason } of causes) {
          expect(reason).toMatch(/^FieldValue/);
          expect(message).toBeTruthy();
          expect(field).toBeTypeOf('string');
        }
      }),
      { numRuns: 60 },
    );
  });

  it('has the same defaults however often they are filled in', () => {
    fc.assert(
      fc.property(arbitraryObject(kind), (object) => {
        const once = defaulted(kind, object);
        expect(defaulted(kind, once)).toEqual(once);
      }),
      { numRuns: 60 },
    );
  });
});
