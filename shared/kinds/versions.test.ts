import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryObject } from '../../test/support/arbitrary-objects.ts';
import { servedKinds } from './index.ts';

const secondVersions = servedKinds.flatMap((def) =>
  def.conversion ? [[def.typeName, def, def.conversion] as const] : [],
);

describe.each(secondVersions)('%s', (_name, def, conversion) => {
  it('loses nothing of what was stored when it is served and written back', () => {
    fc.assert(
      fc.property(arbitraryObject(def.stored), (object) => {
        expect(conversion.toStored(conversion.fromStored(object))).toMatchObject(object);
      }),
      { numRuns: 200 },
    );
  });

  it('leaves what it is given as it is', () => {
    fc.assert(
      fc.property(arbitraryObject(def), arbitraryObject(def.stored), (served, stored) => {
        const before = structuredClone([served, stored]);
        conversion.toStored(served);
        conversion.fromStored(stored);
        expect([served, stored]).toEqual(before);
      }),
    );
  });

  it('selects by fields that both versions know', () => {
    for (const field of def.selectableFields) {
      expect(def.stored.selectableFields).toContain(conversion.fields?.[field] ?? field);
    }
  });
});
