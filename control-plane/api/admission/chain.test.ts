import { describe, expect, test } from 'vitest';
import type { Kind } from '../../../shared/generated/types.ts';
import { kindNamed } from '../../../shared/kinds/index.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { systemRandom } from '../../../shared/random.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { podOf, readerOf, refusalOf, requestOf, stored } from '../../../test/support/admission.ts';
import { objectKey } from '../../store/keys.ts';
import { Observed } from '../requests/observed.ts';
import { AdmissionChain, type AdmissionDeps } from './chain.ts';
import type { AdmissionPlugin, AdmissionRequest, Rule } from './plugin.ts';
import { namespaceLifecycle } from './plugins/namespace-lifecycle.ts';

const nothing = { get: () => undefined, list: () => [], count: () => 0 } as never;

/** A plugin that records its calls. */
function noting(
  name: string,
  rules: readonly Rule[],
  said: string[],
  hooks: readonly string[] = ['mutate', 'validate', 'contribute'],
) {
  const note = (hook: string) => (): undefined => void said.push(`${name} ${hook}`);
  const methods = Object.fromEntries(hooks.map((hook) => [hook, note(hook)]));
  return { name, rules, mutates: ['create', 'update'], ...methods } as AdmissionPlugin;
}

/** A chain on a cache of objects, and on a store that has them and others. */
function chainOf(
  plugins: readonly AdmissionPlugin[],
  cached: readonly KubeObject[] = [],
  others: readonly KubeObject[] = [],
) {
  const reader = readerOf(cached);
  const read: string[] = [];
  const store = {
    get: async (key: string) => {
      read.push(key);
      const object = [...cached, ...others].find(({ kind, metadata }) => key === keyOf(kind as Kind, metadata));
      return { item: object && { key, value: JSON.stringify(object), revision: 1, created: 1 }, revision: 1 };
    },
    txn: async () => ({ ok: true, revision: 2 }) as const,
  };
  const cache = {
    ...reader,
    get: (kind: Kind, key: string) => {
      const [namespace, name] = key.includes('/') ? key.split('/') : [undefined, key];
      return reader.get(kind, name ?? '', namespace);
    },
  };
  const deps = { store, cache, clock: new VirtualClock(), random: systemRandom } as unknown as AdmissionDeps;
  return { chain: new AdmissionChain(plugins, deps), read };
}

const keyOf = (kind: Kind, { name, namespace }: { name: string; namespace?: string }) =>
  objectKey(kindNamed(kind), namespace, name);

const commit = (chain: AdmissionChain, request: AdmissionRequest) =>
  chain.commit({ request, object: podOf(), old: undefined, txn: { guards: [], writes: [] }, observed: new Observed() });

describe('a request', () => {
  const asked = async (rules: Rule[], request: ReturnType<typeof requestOf>) => {
    const said: string[] = [];
    const { chain } = chainOf([noting('p', rules, said)]);
    await chain.mutate(request, podOf());
    await chain.validate(request, podOf());
    await commit(chain, request);
    return said.length;
  };
  const create = (kind: Kind = 'Pod') => requestOf(kind);
  const resize = requestOf('Pod', { verb: 'update', subresource: 'resize' });

  test('calls the plugins that name its verb and its kind', async () => {
    expect(await asked([{ verbs: ['create'] }], create())).toBe(3);
    expect(await asked([{ verbs: ['update'] }], create())).toBe(0);
    expect(await asked([{ verbs: ['create'], kinds: ['Node'] }], create())).toBe(0);
    expect(await asked([{ verbs: ['create'], kinds: ['Node', 'Pod'] }], create())).toBe(3);
    expect(await asked([{ verbs: ['update'] }, { verbs: ['delete', 'create'] }], create())).toBe(3);
    expect(await asked([], create())).toBe(0);
  });

  test('of a subresource calls those that name it, and only them', async () => {
    expect(await asked([{ verbs: ['update'] }], resize)).toBe(0);
    expect(await asked([{ verbs: ['update'], subresources: ['status', 'resize'] }], resize)).toBe(3);
    expect(await asked([{ verbs: ['update'], subresources: ['status'] }], resize)).toBe(0);
    expect(await asked([{ verbs: ['create'], subresources: ['resize'] }], create())).toBe(0);
  });

  test('calls the plugins in order, each phase separately', async () => {
    const said: string[] = [];
    const { chain } = chainOf([
      noting('a', [{ verbs: ['create'] }], said),
      noting('b', [{ verbs: ['create', 'update'] }], said, ['validate']),
    ]);
    await chain.mutate(create(), podOf());
    await chain.validate(create(), podOf());
    await chain.validate(requestOf('Pod', { verb: 'update' }), podOf());
    await chain.validate(requestOf('Pod', { verb: 'delete' }), undefined);
    expect(said.splice(0)).toEqual(['a mutate', 'a validate', 'b validate', 'b validate']);
    await commit(chain, create());
    expect(said).toEqual(['a contribute']);
    for (const subresource of ['status', 'resize'] as const) await commit(chain, requestOf('Pod', { subresource }));
    await commit(chain, requestOf('Pod', { verb: 'delete' }));
    expect(said).toEqual(['a contribute']);
  });

  test('reads objects from the store that plugins read and the cache does not have', async () => {
    const [here, gone] = [
      { kind: 'Namespace', name: 'a' },
      { kind: 'ServiceAccount', name: 'default', namespace: 'a' },
    ] as const;
    const seen: (string | undefined)[] = [];
    const reading: AdmissionPlugin = {
      name: 'n',
      rules: [{ verbs: ['create'] }],
      reads: () => [here, gone, gone],
      mutate: (_request, _object, _old, reader) =>
        void seen.push(reader.get('ServiceAccount', 'default', 'a')?.metadata.name),
    };
    const [namespace, account] = [stored('Namespace', 'a'), stored('ServiceAccount', 'default')];
    const behind = chainOf([reading, noting('quiet', [{ verbs: ['create'] }], [])], [namespace], [account]);
    await behind.chain.mutate(create(), podOf());
    expect(new Set(behind.read)).toEqual(new Set([keyOf('ServiceAccount', account.metadata)]));
    const current = chainOf([reading], [namespace, account]);
    expect(current.chain.mutate(create(), podOf())).toBeUndefined();
    const none = chainOf([], [], [account]);
    expect(none.chain.mutate(create(), podOf())).toBeUndefined();
    expect([current.read, none.read]).toEqual([[], []]);
    expect(seen).toEqual(['default', 'default']);
    expect(behind.chain.reader.list('Namespace')).toHaveLength(1);
    expect(behind.chain.reader.count('Namespace')).toBe(1);
  });
});

describe('a plugin that waits', () => {
  const rules: Rule[] = [{ verbs: ['create', 'update'] }];
  const later = (name: string, said: string[]): AdmissionPlugin => ({
    name,
    rules,
    mutate: async () => {
      await Promise.resolve();
      said.push(`${name} mutate`);
    },
    validate: async () => {
      await Promise.resolve();
      said.push(`${name} validate`);
    },
  });

  test('holds up the plugins after it, which are called in order', async () => {
    const said: string[] = [];
    const hooks = ['mutate', 'validate'];
    const { chain } = chainOf([
      noting('a', rules, said, hooks),
      later('b', said),
      noting('c', rules, said, hooks),
      later('d', said),
    ]);
    const mutating = chain.mutate(requestOf('Pod'), podOf());
    expect(said).toEqual(['a mutate']);
    await mutating;
    const validating = chain.validate(requestOf('Pod'), podOf());
    expect(said).toEqual(['a mutate', 'b mutate', 'c mutate', 'd mutate', 'a validate']);
    await validating;
    expect(said.slice(5)).toEqual(['b validate', 'c validate', 'd validate']);
  });

  test('refuses by a rejected promise, and no later plugin is called', async () => {
    const said: string[] = [];
    const refusing: AdmissionPlugin = {
      name: 'r',
      rules,
      mutate: async () => {
        throw new Error('no');
      },
      validate: async () => {
        throw new Error('never');
      },
    };
    const { chain } = chainOf([refusing, noting('c', rules, said)]);
    await expect(chain.mutate(requestOf('Pod'), podOf())).rejects.toThrow('no');
    await expect(chain.validate(requestOf('Pod'), podOf())).rejects.toThrow('never');
    expect(said).toEqual([]);
  });

  test('is the only one that costs a promise', () => {
    const { chain } = chainOf([noting('a', rules, [], ['mutate', 'validate'])]);
    expect(chain.mutate(requestOf('Pod'), podOf())).toBeUndefined();
    expect(chain.validate(requestOf('Pod'), podOf())).toBeUndefined();
  });
});

test('a plugin mutates creates, unless it names the verbs that it mutates', async () => {
  const rules: Rule[] = [{ verbs: ['create', 'update'] }];
  const said: string[] = [];
  const { chain } = chainOf([
    { ...noting('a', rules, said, ['mutate']), mutates: undefined },
    { ...noting('b', rules, said, ['mutate']), mutates: ['update'] },
    { ...noting('c', rules, said, ['mutate']), mutates: ['create', 'update'] },
  ]);
  await chain.mutate(requestOf('Pod'), podOf());
  expect(said.splice(0)).toEqual(['a mutate', 'c mutate']);
  await chain.mutate(requestOf('Pod', { verb: 'update' }), podOf(), podOf());
  expect(said).toEqual(['b mutate', 'c mutate']);
});

describe('a namespace', () => {
  test('that the cluster lives by may not be deleted; any other may', () => {
    const remove = (name: string) =>
      refusalOf(() =>
        namespaceLifecycle.validate?.(requestOf('Namespace', { verb: 'delete', name }), undefined, undefined, nothing),
      );
    for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) {
      expect(remove(name)).toMatch('this namespace may not be deleted');
    }
    expect(remove('mine')).toBeUndefined();
    const create = requestOf('Namespace', { name: 'default' });
    expect(refusalOf(() => namespaceLifecycle.validate?.(create, undefined, undefined, nothing))).toBeUndefined();
  });
});
