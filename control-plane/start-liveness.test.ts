import { expect, it } from 'vitest';
import { systemClock } from '../shared/clock.ts';
import { createAuthority, loadAuthority } from '../shared/pki/certificates.ts';
import { systemRandom } from '../shared/random.ts';
import { eventually } from '../test/support/eventually.ts';
import { startLiveness } from './start-liveness.ts';

it('a liveness thread that dies is reported once, and its pending calls fail', async () => {
  const pki = { clock: systemClock, random: systemRandom };
  const authority = await loadAuthority(await createAuthority('test-ca', pki), pki);
  const server = await authority.issueServer({ commonName: 'coracle', names: ['localhost'] });
  const failures: Error[] = [];
  const liveness = startLiveness(
    // Without an endpoint there is no client of etcd.
    { server: 's', logLevel: 'silent', etcd: { endpoints: [] }, tls: { ca: authority.certificate, server } },
    { failed: (error) => void failures.push(error), observe: () => undefined },
  );
  const opened = liveness.open({ id: 'i', node: 'n', leaseMs: 5_000 }, () => undefined);
  await expect(opened).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
  await eventually(() => failures.length > 0);
  await liveness.stop();
  expect(failures.map(({ message }) => message)).toEqual(['the liveness thread has failed']);
});
