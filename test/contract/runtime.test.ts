import type { RuntimeName } from '../../agent/runtime/runtimes.ts';
import { dockerMissing } from '../support/docker.ts';
import { runtimeContract } from './runtime/contract.ts';
import { dockerSubject } from './runtime/docker.ts';
import { fakeSubject } from './runtime/fake.ts';
import type { RuntimeSubject } from './runtime/subject.ts';

interface Subject {
  make(): Promise<RuntimeSubject>;
  /** What the runtime needs and this machine lacks; undefined: nothing. */
  missing(): Promise<string | undefined>;
}

const subjects: Record<RuntimeName, Subject> = {
  docker: { make: dockerSubject, missing: dockerMissing },
  fake: { make: fakeSubject, missing: async () => undefined },
};

for (const [name, { make, missing }] of Object.entries(subjects)) {
  runtimeContract(`the runtime ${name}`, make, (await missing()) !== undefined);
}
