import { expect, it } from 'vitest';
import { listKeys, objectShape } from './shapes.ts';

it('the keys of a list stand in the order of their names, with the defaults that the schema has for them', () => {
  const ports = { type: 'k8s.io.api.core.v1.ServicePort', listMapKey: ['protocol', 'port'] } as const;
  expect(listKeys({ number: 1, ...ports, listType: 'map' })).toEqual([
    { name: 'port', default: undefined },
    { name: 'protocol', default: 'TCP' },
  ]);
  expect(listKeys({ number: 1, ...ports, listType: 'atomic' })).toEqual([]);
  expect(listKeys({ number: 1, type: ports.type, listType: 'map' })).toEqual([]);
});

it('a message that is no object has no shape of a root', () => {
  expect(() => objectShape('k8s.io.api.core.v1.Container')).toThrow('no object k8s.io.api.core.v1.Container');
});
