import { describe, expect, it } from 'vitest';
import { builtinKinds } from '../../shared/kinds/index.ts';
import { KeyParser, kindPrefix, objectKey } from './keys.ts';

const core = { group: '', plural: 'pods', namespaced: true };
const apps = { group: 'apps', plural: 'deployments', namespaced: true };
const keys = new KeyParser(builtinKinds.stored);
const nodes = { group: '', plural: 'nodes', namespaced: false };

describe('the keys of objects', () => {
  it('contain the group unless it is the core group, and the namespace if there is one', () => {
    expect(objectKey(core, 'default', 'web')).toBe('/coracle/registry/pods/default/web');
    expect(objectKey(apps, 'default', 'web')).toBe('/coracle/registry/apps/deployments/default/web');
    expect(objectKey(nodes, undefined, 'n')).toBe('/coracle/registry/nodes/n');
    expect(objectKey(nodes, 'ignored', 'n')).toBe('/coracle/registry/nodes/n');
  });

  it('start with the prefix of their kind, and of their namespace', () => {
    expect(kindPrefix(core)).toBe('/coracle/registry/pods/');
    expect(kindPrefix(core, 'default')).toBe('/coracle/registry/pods/default/');
    expect(kindPrefix(apps)).toBe('/coracle/registry/apps/deployments/');
    expect(kindPrefix(nodes, 'ignored')).toBe('/coracle/registry/nodes/');
  });

  it('are parsed for every stored kind', () => {
    for (const kind of builtinKinds.stored) {
      const [namespace, key] = kind.namespaced ? ['a', 'a/b'] : [undefined, 'b'];
      expect(keys.parse(objectKey(kind, namespace, 'b'))).toEqual({ kind, key });
    }
  });

  it('are not parsed for unknown kinds or other formats', () => {
    for (const key of [
      '/coracle/tick',
      '/another/registry/pods/default/web',
      '/coracle/registry/',
      '/coracle/registry/pods',
      '/coracle/registry/pods/',
      '/coracle/registry/pods/default',
      '/coracle/registry/pods/default/',
      '/coracle/registry/pods//web',
      '/coracle/registry/pods/default/web/more',
      '/coracle/registry/nodes/',
      '/coracle/registry/nodes/n/more',
      '/coracle/registry/apps/',
      '/coracle/registry/apps/deployments',
      '/coracle/registry/apps/unknown/default/web',
      '/coracle/registry/deployments/default/web',
      '/coracle/registry/unknown/web',
    ]) {
      expect([key, keys.parse(key)]).toEqual([key, undefined]);
    }
  });

  it('are parsed for a kind from its addition until its removal', () => {
    const widgets = { group: 'example.com', plural: 'widgets', namespaced: true };
    const own = new KeyParser([widgets]);
    const path = objectKey(widgets, 'a', 'b');
    expect(own.parse(path)).toEqual({ kind: widgets, key: 'a/b' });
    own.remove(widgets);
    expect(own.parse(path)).toBeUndefined();
    own.add(widgets);
    expect(own.parse(path)).toEqual({ kind: widgets, key: 'a/b' });
  });
});
