/** What is mutated in a room, and which tests have to notice. Patterns are relative to the root of the repository. */
export interface Room {
  readonly sources: readonly string[];
  readonly tests: readonly string[];
}

/** A folder whose tests lie beside its sources. */
function folder(path: string, ...furtherTests: string[]): Room {
  return {
    sources: [`${path}/**/*.ts`, `!${path}/**/*.test.ts`],
    tests: [`${path}/**/*.test.ts`, ...furtherTests],
  };
}

/** Single files with the tests that are named after them. */
function files(paths: readonly string[], ...furtherTests: string[]): Room {
  return {
    sources: paths.map((path) => `${path}.ts`),
    tests: [...paths.map((path) => `${path}.test.ts`), ...furtherTests],
  };
}

/** The rooms that decide: a fault there is a pod too many, an update lost, a right too wide. */
export const rooms: Readonly<Record<string, Room>> = {
  scheduler: folder('control-plane/scheduler'),
  scheduling: folder('shared/scheduling', 'control-plane/scheduler/**/*.test.ts'),
  controllers: folder('control-plane/controllers'),
  store: folder('control-plane/store', 'test/contract/store.test.ts'),
  patch: folder('control-plane/api/patch'),
  'managed-fields': folder('control-plane/api/managed-fields'),
  rbac: folder('control-plane/api/auth/rbac'),
  admission: folder('control-plane/api/admission'),
  'agent/pod': folder('agent/pod'),
  'agent/volumes': folder('agent/volumes'),
  'agent/session': folder('agent/session'),
  'shared/selector': files(['shared/selector']),
  'shared/quantity': files(['shared/quantity']),
  'shared/queue': files(['shared/queue']),
  'shared/informers': files(['shared/informers', 'shared/informer']),
};
