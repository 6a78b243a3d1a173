import type { Answer, Caller } from '../server-process.ts';
import { keys, many, map, maps, patches, pod, pods, typed, type Worst } from './request.ts';

const large = (name: string, count = 19_000, value = 'x') => map(name, { data: keys(count, () => value) });
const apply = (call: Caller, name: string, manager: string, body: object, more = '') =>
  call('PATCH', `${maps}/${name}?fieldManager=${manager}${more}`, typed(patches.apply, body));

/** In this order: each goes out from what the one before has left. */
export const applyRequests: readonly Worst[] = [
  { name: 'apply: 19,000 members as new', ask: (call) => apply(call, 'applied', 'a', large('applied')) },
  { name: 'apply: 19,000 members again', ask: (call) => apply(call, 'applied', 'a', large('applied')) },
  {
    name: 'apply: by another manager, in conflict',
    ask: (call) => apply(call, 'applied', 'b', large('applied', 19_000, 'y')),
  },
  { name: 'apply: by another manager, the same', ask: (call) => apply(call, 'applied', 'b', large('applied')) },
  {
    name: 'apply: by a third manager, by force',
    ask: (call) => apply(call, 'applied', 'c', large('applied', 19_000, 'y'), '&force=true'),
  },
  { name: 'apply: nothing', ask: (call) => apply(call, 'applied', 'c', map('applied'), '&force=true') },
  {
    name: 'update over all of it',
    ask: (call) => call('PUT', `${maps}/applied`, { body: large('applied', 19_000, 'z') }),
  },
  {
    name: 'apply: a set of 19,000 finalizers',
    ask: (call) => apply(call, 'finals', 'a', map('finals', {}, { finalizers: many(19_000, (i) => `a/${i}`) })),
  },
  {
    name: 'apply: a set of 19,000 finalizers, turned round',
    ask: (call) =>
      apply(call, 'finals', 'b', map('finals', {}, { finalizers: many(19_000, (i) => `a/${19_000 - i}`) })),
  },
  {
    name: 'apply: a set of 19,000 finalizers, others',
    ask: (call) => apply(call, 'finals', 'b', map('finals', {}, { finalizers: many(19_000, (i) => `b/${i}`) })),
  },
  { name: 'apply: finalizers go', ask: (call) => apply(call, 'finals', 'a', map('finals')) },
  {
    name: 'apply: ports of a pod',
    ask: (call) =>
      call(
        'PATCH',
        `${pods}/x?fieldManager=a&dryRun=All`,
        typed(
          patches.apply,
          pod('x', {
            containers: [
              { name: 'c', image: 'i', ports: many(6_000, (i) => ({ containerPort: i + 1, protocol: 'TCP' })) },
            ],
          }),
        ),
      ),
  },
  {
    name: 'apply: variables of a pod',
    ask: (call) =>
      call(
        'PATCH',
        `${pods}/x?fieldManager=a&dryRun=All`,
        typed(
          patches.apply,
          pod('x', {
            containers: [{ name: 'c', image: 'i', env: many(6_000, (i) => ({ name: `E${i}`, value: 'x' })) }],
          }),
        ),
      ),
  },
  {
    name: 'apply: faults of every member',
    ask: (call) => apply(call, 'x', 'a', { ...map('x'), data: keys(19_000, () => ({ a: 'x'.repeat(100) })) }),
  },
  {
    name: 'apply: faults that are large',
    ask: (call) => apply(call, 'x', 'a', { ...map('x'), data: many(19_000, () => 'x'.repeat(100)) }),
  },
  {
    name: 'apply: YAML',
    ask: (call) =>
      call('PATCH', `${maps}/y?fieldManager=a`, typed(patches.apply, `# yaml\n${JSON.stringify(large('y'))}`)),
  },
  {
    name: 'update with 2,500 managers',
    before: (call) => call('POST', maps, { body: map('managed', { data: { a: 'b' } }) }),
    ask: (call) => put(call, 'c', manyManagers('Update')),
  },
  {
    name: 'update with 2,500 managers that apply',
    ask: (call) => put(call, 'd', manyManagers('Apply')),
  },
  {
    name: 'apply over 2,500 managers',
    ask: (call) => apply(call, 'managed', 'm7', map('managed', { data: { b: 'c' } })),
  },
  {
    name: 'apply over 2,500 managers, again',
    ask: (call) => apply(call, 'managed', 'm7', map('managed', { data: { c: 'c' } })),
  },
  {
    name: 'update with managers of keys that are JSON',
    ask: (call) => put(call, 'e', [manager('m', 'Apply', { 'f:metadata': { 'f:finalizers': finalizers() } })]),
  },
  {
    name: 'update with a manager of long keys',
    ask: (call) => put(call, 'f', [manager('m', 'Apply', { 'f:x': longKeys() })]),
  },
];

/** Replaces the ConfigMap that is managed. */
function put(call: Caller, a: string, managedFields: object[]): Promise<Answer> {
  return call('PUT', `${maps}/managed`, { body: map('managed', { data: { a } }, { managedFields }) });
}

function manager(name: string, operation: 'Apply' | 'Update', fieldsV1: object): object {
  return {
    manager: name,
    operation,
    apiVersion: 'v1',
    time: '2026-01-01T00:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1,
  };
}

function manyManagers(operation: 'Apply' | 'Update'): object[] {
  return many(2_500, (i) => manager(`m${i}`, operation, { 'f:data': { [`f:k${i}`]: {} } }));
}

function finalizers(): object {
  return Object.fromEntries(many(19_000, (i) => [`v:"${i * 7919}"`, {}]));
}

function longKeys(): object {
  return Object.fromEntries(many(250, (i) => [`k:{"a":"${'x'.repeat(10_000)}${i}"}`, {}]));
}
