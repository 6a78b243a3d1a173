import { expect, it } from 'vitest';
import { widgetKind } from '../../test/support/widget-kind.ts';
import { builtinKinds, createKindRegistry, kindNamed } from './index.ts';
import { derivedFrom } from './registry.ts';

const widget = widgetKind();

it('a kind is found from when it is added until it is removed, and the built-in kinds stay as they are', () => {
  const kinds = createKindRegistry();
  const found = () => [
    kinds.byId(widget.id),
    kinds.ofObject('example.com/v1', 'Widget'),
    kinds.ofResource('example.com', 'v1', 'widgets'),
    kinds.find('wd'),
    kinds.find('Widgets.example.com'),
    kinds.stored.find(({ plural }) => plural === 'widgets'),
    kinds.served.find(({ plural }) => plural === 'widgets'),
  ];
  const nothing = Array.from({ length: 7 }, () => undefined);
  expect([found(), kinds.hasGroup('example.com')]).toEqual([nothing, false]);
  kinds.add([widget]);
  expect([found(), kinds.hasGroup('example.com')]).toEqual([Array.from({ length: 7 }, () => widget), true]);
  expect(builtinKinds.byId(widget.id)).toBeUndefined();
  expect(() => kinds.add([widget])).toThrow('widgets.v1.example.com is served already');
  kinds.remove(widget.id);
  expect([found(), kinds.hasGroup('example.com')]).toEqual([nothing, false]);
  expect(kinds.served).toEqual(builtinKinds.served);
});

it('a kind of another group does not take the name of a built-in one', () => {
  const kinds = createKindRegistry();
  const pod = { ...widget, kind: 'Pod', plural: 'pods', singular: 'pod', id: 'Pod.example.com' as const };
  kinds.add([pod]);
  expect([kinds.find('pods'), kinds.find('pods.example.com')]).toEqual([kindNamed('Pod'), pod]);
  expect([kinds.byId('Pod'), kinds.byId('Pod.example.com')]).toEqual([kindNamed('Pod'), pod]);
});

it('each change calls the listeners, and derived data is computed again', () => {
  const kinds = createKindRegistry();
  const count = derivedFrom(kinds, ({ served }) => ({ count: served.length }));
  const first = count();
  expect(count()).toBe(first);
  let changes = 0;
  const stop = kinds.onChange(() => changes++);
  kinds.add([widget]);
  expect([count().count - first.count, changes]).toEqual([1, 1]);
  stop();
  kinds.remove(widget.id);
  expect([count().count - first.count, changes, kinds.revision]).toEqual([0, 1, 2]);
});
