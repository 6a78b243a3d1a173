import { describe, expect, test } from 'vitest';
import type { LimitRange, Pod } from '../../../../shared/generated/types.ts';
import { podOf, readerOf, refusalOf, requestOf, stored } from '../../../../test/support/admission.ts';
import { limitRanger } from './limit-ranger.ts';

type Resources = { readonly requests?: Record<string, string>; readonly limits?: Record<string, string> };

function range(...limits: object[]): LimitRange {
  return stored('LimitRange', 'r', { spec: { limits } });
}

/** A pod with a container each, of the given resources. */
function pod(containers: readonly Resources[], initContainers: readonly Resources[] = [], more: object = {}): Pod {
  const list = (prefix: string, all: readonly Resources[]) =>
    all.map((resources, i) => ({ name: `${prefix}${i}`, image: 'i', resources }));
  return podOf({ containers: list('c', containers), initContainers: list('i', initContainers), ...more } as never);
}

function filled(made: Pod, ...ranges: LimitRange[]): Pod {
  void limitRanger.mutate?.(requestOf('Pod'), made, undefined, readerOf(ranges));
  return made;
}

const resourcesOf = ({ spec }: Pod) =>
  [...spec.containers, ...(spec.initContainers ?? [])].map(({ resources }) => resources);
const annotationOf = ({ metadata }: Pod) => metadata.annotations?.['kubernetes.io/limit-ranger'];

/** Why a pod is refused: the end of the message. */
function fault(made: Pod, ...ranges: LimitRange[]): string | undefined {
  const refusal = refusalOf(() => limitRanger.validate?.(requestOf('Pod'), made, undefined, readerOf(ranges)));
  return refusal?.replace('pods "x" is forbidden: ', '');
}

describe('defaults', () => {
  const defaults = range({
    type: 'Container',
    default: { cpu: '2', memory: '2Gi' },
    defaultRequest: { memory: '1Gi', cpu: '1' },
  });

  test('are given to containers and init containers, name by name', () => {
    const made = filled(pod([{ requests: { cpu: '5' }, limits: { memory: '9Gi' } }], [{}]), defaults);
    expect(resourcesOf(made)).toEqual([
      { requests: { cpu: '5', memory: '1Gi' }, limits: { cpu: '2', memory: '9Gi' } },
      { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '2', memory: '2Gi' } },
    ]);
    expect(annotationOf(made)).toBe(
      'LimitRanger plugin set: memory request for container c0; cpu limit for container c0; cpu, memory request for init container i0; cpu, memory limit for init container i0',
    );
  });

  test('do not change a container with all values set, nor the annotations of others', () => {
    const whole = { requests: { cpu: '1', memory: '1' }, limits: { cpu: '1', memory: '1' } };
    const made = filled(pod([whole]), defaults);
    expect(resourcesOf(made)).toEqual([whole]);
    expect(made.metadata.annotations).toBeUndefined();
    const noted = pod([{}]);
    noted.metadata.annotations = { own: 'x' };
    expect(filled(noted, defaults).metadata.annotations).toMatchObject({ own: 'x' });
  });

  test('are only those for containers; the last of several ranges sets values that the first has not', () => {
    const other = range({ type: 'Pod', default: { cpu: '7' } }, { type: 'Container', default: { cpu: '7' } });
    const storage = range({ type: 'Container', defaultRequest: { 'ephemeral-storage': '1Gi' } });
    expect(resourcesOf(filled(pod([{}]), range({ type: 'Pod', default: { cpu: '7' } })))).toEqual([{}]);
    expect(resourcesOf(filled(pod([{}]), other, defaults, storage))).toEqual([
      { requests: { cpu: '1', memory: '1Gi', 'ephemeral-storage': '1Gi' }, limits: { cpu: '7', memory: '2Gi' } },
    ]);
    const { spec: _none, ...empty } = range();
    expect(resourcesOf(filled(pod([{}]), empty as LimitRange))).toEqual([{}]);
  });

  test('are not those of ranges in other namespaces, nor for kinds other than pods', () => {
    const elsewhere = { ...defaults, metadata: { ...defaults.metadata, namespace: 'b' } };
    expect(resourcesOf(filled(pod([{}]), elsewhere))).toEqual([{}]);
    const { spec: _none, ...hollow } = podOf();
    expect(refusalOf(() => filled(hollow as Pod, defaults))).toBeUndefined();
    expect(refusalOf(() => filled({ ...hollow, spec: {} } as Pod, defaults))).toBeUndefined();
    const claim = stored('PersistentVolumeClaim', 'x', { spec: {} });
    void limitRanger.mutate?.(requestOf('PersistentVolumeClaim'), claim, undefined, readerOf([defaults]));
    expect(claim.spec).toEqual({});
    const { resources: _open, ...container } = pod([{}]).spec.containers[0] ?? { name: 'c', resources: {} };
    expect(resourcesOf(filled(podOf({ containers: [container] as never }), defaults))[0]).toMatchObject({
      limits: { cpu: '2' },
    });
  });

  test('are not multiplied beyond the maximum size of an object', () => {
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`example.com/r${i}`, '1']));
    const wide = range({ type: 'Container', default: many, defaultRequest: many });
    expect(refusalOf(() => filled(pod([{}]), wide))).toBeUndefined();
    const empty = Array.from({ length: 100 }, () => ({}));
    expect(refusalOf(() => filled(pod(empty), wide))).toBeDefined();
    expect(refusalOf(() => filled(pod([{}], empty), wide))).toBeDefined();
  });
});

describe('bounds of a container', () => {
  const of = (bounds: object) => range({ type: 'Container', ...bounds });
  const cpu = (request?: string, limit?: string): Resources => ({
    ...(request ? { requests: { cpu: request } } : {}),
    ...(limit ? { limits: { cpu: limit } } : {}),
  });

  test.each<[string, object, Resources, string | undefined]>([
    ['at the least', { min: { cpu: '100m' } }, cpu('0.1', '100m'), undefined],
    [
      'below the least',
      { min: { cpu: '100m' } },
      cpu('99m'),
      'minimum cpu usage per Container is 100m, but request is 99m',
    ],
    [
      'no request',
      { min: { cpu: '100m' } },
      cpu(undefined, '1'),
      'minimum cpu usage per Container is 100m.  No request is specified',
    ],
    [
      'a limit below the least',
      { min: { cpu: '100m' } },
      cpu('100m', '50m'),
      'minimum cpu usage per Container is 100m, but limit is 50m',
    ],
    ['at the most', { max: { cpu: '1' } }, cpu('1', '1000m'), undefined],
    [
      'above the most',
      { max: { cpu: '1' } },
      cpu('1', '1001m'),
      'maximum cpu usage per Container is 1, but limit is 1001m',
    ],
    ['no limit', { max: { cpu: '1' } }, cpu('1'), 'maximum cpu usage per Container is 1.  No limit is specified'],
    [
      'a request above the most',
      { max: { cpu: '1' } },
      cpu('2', '1'),
      'maximum cpu usage per Container is 1, but request is 2',
    ],
    ['only a limit', { max: { cpu: '1' } }, cpu(undefined, '1'), undefined],
    ['at the ratio', { maxLimitRequestRatio: { cpu: '2' } }, cpu('100m', '200m'), undefined],
    ['a broken ratio', { maxLimitRequestRatio: { cpu: '1500m' } }, cpu('1', '1.5'), undefined],
    [
      'above the ratio',
      { maxLimitRequestRatio: { cpu: '2' } },
      cpu('100m', '201m'),
      'cpu max limit to request ratio per Container is 2, but provided ratio is 2.010000',
    ],
    [
      'a ratio of no request',
      { maxLimitRequestRatio: { cpu: '2' } },
      cpu(undefined, '1'),
      'cpu max limit to request ratio per Container is 2, but no request is specified or request is 0',
    ],
    [
      'a ratio of no limit',
      { maxLimitRequestRatio: { cpu: '2' } },
      cpu('1'),
      'cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0',
    ],
  ])('%s', (_what, bounds, resources, expected) => {
    expect(fault(pod([resources]), of(bounds))).toBe(expected);
    expect(fault(pod([], [resources]), of(bounds))).toBe(expected);
  });

  test('count for memory beside cpu, each fault once, in the order of names', () => {
    const bounds = of({ max: { memory: '1Gi', cpu: '1' } });
    const both = { limits: { cpu: '2', memory: '2Gi' } };
    expect(fault(pod([{ limits: { cpu: '1', memory: '2Gi' } }]), bounds)).toBe(
      'maximum memory usage per Container is 1Gi, but limit is 2Gi',
    );
    expect(fault(pod([both, both]), bounds)).toBe(
      '[maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Container is 1Gi, but limit is 2Gi]',
    );
  });

  test('of the second container and of the second range count like the first', () => {
    const fits = cpu('1', '1');
    const [first, second] = [of({ max: { cpu: '4' } }), of({ max: { cpu: '2' } })];
    expect(fault(pod([fits, cpu('3', '3')]), first)).toBeUndefined();
    expect(fault(pod([fits, cpu('3', '3')]), first, second)).toBe(
      'maximum cpu usage per Container is 2, but limit is 3',
    );
    const { resources: _none, ...open } = pod([{}]).spec.containers[0] ?? { name: 'c', resources: {} };
    expect(fault(podOf({ containers: [open] as never }), second)).toMatch('No limit is specified');
  });
});

test('a range without limits allows everything', () => {
  const { spec: _none, ...empty } = range();
  for (const one of [empty as LimitRange, range()]) {
    expect(fault(pod([{}], [{}]), one)).toBeUndefined();
    const claim = stored('PersistentVolumeClaim', 'x', { spec: {} });
    const request = requestOf('PersistentVolumeClaim');
    expect(refusalOf(() => limitRanger.validate?.(request, claim, undefined, readerOf([one])))).toBeUndefined();
  }
  const bare = podOf({ containers: [{ name: 'c', resources: { limits: { cpu: '1' } } }] as never });
  expect(fault(bare, range({ type: 'Container', max: { cpu: '1' } }))).toBeUndefined();
});

describe('bounds of a whole pod', () => {
  const of = (bounds: object) => range({ type: 'Pod', ...bounds });

  test('hold for all of its containers together, and for the largest that starts before them', () => {
    const one = { requests: { cpu: '1' }, limits: { cpu: '1' } };
    const three = { requests: { cpu: '3' }, limits: { cpu: '3' } };
    expect(fault(pod([one, one]), of({ max: { cpu: '2' } }))).toBeUndefined();
    expect(fault(pod([one, one, one]), of({ max: { cpu: '2' } }))).toBe(
      'maximum cpu usage per Pod is 2, but limit is 3',
    );
    expect(fault(pod([one], [three]), of({ max: { cpu: '2' } }))).toBe(
      'maximum cpu usage per Pod is 2, but limit is 3',
    );
    expect(fault(pod([one]), of({ min: { cpu: '2' } }))).toBe('minimum cpu usage per Pod is 2, but request is 1');
    const loose = { requests: { cpu: '1' }, limits: { cpu: '3' } };
    expect(fault(pod([loose]), of({ maxLimitRequestRatio: { cpu: '2' } }))).toMatch('provided ratio is 3.000000');
  });

  test('of another type do not apply', () => {
    const claims = range({ type: 'PersistentVolumeClaim', min: { storage: '1Gi' } });
    expect(fault(pod([{}]), claims)).toBeUndefined();
  });
});

describe('a claim', () => {
  const bounds = range(
    { type: 'Container', max: { storage: '1' } },
    { type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '4Gi' } },
  );
  const verdict = (spec: object | undefined) => {
    const claim = stored('PersistentVolumeClaim', 'x', spec ? { spec } : {});
    const request = requestOf('PersistentVolumeClaim');
    return refusalOf(() => limitRanger.validate?.(request, claim, undefined, readerOf([bounds])));
  };
  const storage = (amount: string) => ({ resources: { requests: { storage: amount } } });

  test('requests a size within its bounds', () => {
    for (const amount of ['1Gi', '4Gi']) expect(verdict(storage(amount))).toBeUndefined();
    expect(verdict(storage('1023Mi'))).toMatch(
      'minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1023Mi',
    );
    expect(verdict(storage('5Gi'))).toMatch(
      'maximum storage usage per PersistentVolumeClaim is 4Gi, but request is 5Gi',
    );
    for (const open of [undefined, {}, { resources: {} }, { resources: { requests: {} } }]) {
      expect(verdict(open)).toMatch('minimum storage usage per PersistentVolumeClaim is 1Gi.  No request is specified');
      expect(verdict(open)).toMatch('maximum storage usage per PersistentVolumeClaim is 4Gi.  No request is specified');
    }
  });
});

test('an object that is being deleted is no longer checked', () => {
  const bounds = range({ type: 'Container', max: { cpu: '1' } });
  const leaving = podOf({}, { deletionTimestamp: '2026-01-01T00:00:00Z' });
  expect(fault(podOf(), bounds)).toBeDefined();
  expect(fault(leaving, bounds)).toBeUndefined();
});
