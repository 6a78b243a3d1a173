import { describe, expect, it } from 'vitest';
import { isApiError } from '../../../shared/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { leaseTests } from './leases.ts';
import { listTests } from './lists.ts';
import { eachTestItsStore, put, type StoreUnderTest } from './subject.ts';
import { watchTests } from './watches.ts';
import { writeTests } from './writes.ts';

/** What every Store promises. `make` gives a store whose prefix `/test/` is empty. */
export function storeContract(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`the store contract: ${name}`, () => {
    const subject = eachTestItsStore(make);

    writeTests(subject);
    listTests(subject);
    watchTests(subject);
    leaseTests(subject);

    it('closed, it refuses calls and ends its watches with ServiceUnavailable', async () => {
      const { store, ok, follow } = subject;
      const { revision } = await store.get('/test/a');
      const watch = follow('/test/', revision);
      await ok(put('/test/a', '1'));
      await eventually(() => watch.events().length === 1);
      await store.close();
      await watch.done;
      expect(isApiError(watch.error, 'ServiceUnavailable')).toBe(true);
      await expect(store.get('/test/a')).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
      await expect(store.txn(put('/test/a', '2'))).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
      await expect(store.keepAlive('1')).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
      await store.close();
    });
  });
}
