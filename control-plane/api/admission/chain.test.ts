import { describe, expect, test } from 'vitest';
import type { Kind } from '../../../shared/generated/types.ts';
import { podOf, readerOf, refusalOf, requestOf, stored } from '../../../test/support/admission.ts';
import { AdmissionChain } from './chain.ts';
import type { AdmissionPlugin, Rule } from './plugin.ts';
import { namespaceLifecycle } from './plugins/namespace-lifecycle.ts';

const nothing = { get: () => undefined, list: () => [], count: () => 0 } as never;

/** A plugin that writes down what it is asked. */
function noting(
  name: string,
  rules: readonly Rule[],
  said: string[],
  hooks: readonly string[] = ['mutate', 'validate', 'charge'],
) {
  const note = (hook: string) => (): undefined => void said.push(`${name} ${hook}`);
  return { name, rules, ...Object.fromEntries(hooks.map((hook) => [hook, note(hook)])) } as AdmissionPlugin;
}

describe('a request', () => {
  const asked = (rules: Rule[], request: ReturnType<typeof requestOf>) => {
    const said: string[] = [];
    const chain = new AdmissionChain([noting('p', rules, said)], nothing);
    chain.mutate(request, podOf());
    chain.validate(request, podOf());
    for (const plugin of chain.charging(request)) plugin.charge?.(request, podOf(), undefined, nothing, nothing);
    return said.length;
  };
  const create = (kind: Kind = 'Pod') => requestOf(kind);
  const resize = requestOf('Pod', { verb: 'update', subresource: 'resize' });

  test('asks the plugins that name its verb and its kind', () => {
    expect(asked([{ verbs: ['create'] }], create())).toBe(3);
    expect(asked([{ verbs: ['update'] }], create())).toBe(0);
    expect(asked([{ verbs: ['create'], kinds: ['Node'] }], create())).toBe(0);
    expect(asked([{ verbs: ['create'], kinds: ['Node', 'Pod'] }], create())).toBe(3);
    expect(asked([{ verbs: ['update'] }, { verbs: ['delete', 'create'] }], create())).toBe(3);
    expect(asked([], create())).toBe(0);
  });

  test('of a subresource asks those that name it, and only them', () => {
    expect(asked([{ verbs: ['update'] }], resize)).toBe(0);
    expect(asked([{ verbs: ['update'], subresources: ['status', 'resize'] }], resize)).toBe(3);
    expect(asked([{ verbs: ['update'], subresources: ['status'] }], resize)).toBe(0);
    expect(asked([{ verbs: ['create'], subresources: ['resize'] }], create())).toBe(0);
  });

  test('asks in the order of the plugins, each sort of request by itself', () => {
    const said: string[] = [];
    const chain = new AdmissionChain(
      [noting('a', [{ verbs: ['create'] }], said), noting('b', [{ verbs: ['create', 'update'] }], said, ['validate'])],
      nothing,
    );
    chain.mutate(create(), podOf());
    chain.validate(create(), podOf());
    chain.validate(requestOf('Pod', { verb: 'update' }), podOf());
    chain.validate(requestOf('Pod', { verb: 'delete' }), undefined);
    expect(said).toEqual(['a mutate', 'a validate', 'b validate', 'b validate']);
    expect(chain.charging(create()).map(({ name }) => name)).toEqual(['a']);
    for (const subresource of ['status', 'resize'] as const) {
      expect(chain.charging(requestOf('Pod', { subresource }))).toEqual([]);
    }
    expect(chain.charging(requestOf('Pod', { verb: 'delete' }))).toEqual([]);
  });

  test('needs read what the cache does not show of what its plugins need', () => {
    const [here, gone] = [
      { kind: 'Namespace', name: 'a' },
      { kind: 'ServiceAccount', name: 'default', namespace: 'a' },
    ] as const;
    const needing: AdmissionPlugin = {
      name: 'n',
      rules: [{ verbs: ['create'] }],
      needs: () => [here, gone, gone],
      mutate: () => undefined,
    };
    const reader = readerOf([stored('Namespace', 'a')]);
    const cache = {
      ...reader,
      get: (kind: Kind, key: string) => {
        const [namespace, name] = key.includes('/') ? key.split('/') : [undefined, key];
        return reader.get(kind, name ?? '', namespace);
      },
    };
    const chain = new AdmissionChain([needing, noting('quiet', [{ verbs: ['create'] }], [])], cache as never);
    expect(chain.missing(create(), podOf())).toEqual([gone, gone]);
    expect(new AdmissionChain([], cache as never).missing(create(), podOf())).toEqual([]);
    const more = readerOf([stored('ServiceAccount', 'default'), stored('Namespace', 'a')]);
    const whole = {
      ...more,
      get: (kind: Kind, key: string) =>
        more.get(kind, key.split('/').at(-1) ?? '', key.includes('/') ? 'a' : undefined),
    };
    expect(new AdmissionChain([needing], whole as never).missing(create(), podOf())).toEqual([]);
    expect(chain.reader.list('Namespace')).toHaveLength(1);
    expect(chain.reader.count('Namespace')).toBe(1);
  });
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
