import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasEtcd } from '../support/etcd.ts';
import { administrator, type Caller, type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { applyRequests } from '../support/worst/apply.ts';
import { bodyRequests } from '../support/worst/bodies.ts';
import { neighbourRequests } from '../support/worst/neighbours.ts';
import { objectRequests } from '../support/worst/objects.ts';
import { patchRequests } from '../support/worst/patches.ts';
import { podRequests } from '../support/worst/pods.ts';
import { queryRequests } from '../support/worst/queries.ts';

/** What one request may take from everybody else at a time, in milliseconds of the server's thread. */
const maxPauseMs = 250;
/** A machine under load takes longer for the same; what a request costs shows in the least of some tries. */
const tries = 3;

const all = [
  ...bodyRequests,
  ...podRequests,
  ...objectRequests,
  ...queryRequests,
  ...applyRequests,
  ...patchRequests,
  ...neighbourRequests,
];

describe.skipIf(!hasEtcd())('one request, accepted or refused, stops nobody else', () => {
  let server: ServerProcess;
  let admin: Caller;

  beforeAll(async () => {
    server = await startServerProcess({ logLevel: 'error' });
    admin = await server.caller(administrator);
  });
  afterAll(() => server?.stop());

  it.each(all.map((worst) => [worst.name, worst] as const))('%s', async (_name, { before, as, ask }) => {
    await before?.(admin);
    const caller = as ? await server.caller(as) : admin;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < tries && least > maxPauseMs; i++) {
      await server.longestPause();
      const { status, text } = await ask(caller);
      least = Math.min(least, await server.longestPause());
      expect(status, text.slice(0, 500)).toBeGreaterThanOrEqual(200);
      expect(status, text.slice(0, 500)).toBeLessThan(500);
    }
    expect(least).toBeLessThan(maxPauseMs);
  });
});
