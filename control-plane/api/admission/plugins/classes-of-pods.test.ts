import { describe, expect, test } from 'vitest';
import type {
  Ingress,
  PersistentVolumeClaim,
  Pod,
  PriorityClass,
  RuntimeClass,
} from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { podOf, readerOf, refusalOf, requestOf, stored } from '../../../../test/support/admission.ts';
import { defaultIngressClass } from './default-ingress-class.ts';
import { defaultStorageClass } from './default-storage-class.ts';
import { priority } from './priority.ts';
import { runtimeClass } from './runtime-class.ts';

describe('the priority of a pod', () => {
  const class_ = (name: string, value: number, more: object = {}): PriorityClass =>
    stored('PriorityClass', name, { value, ...more });
  const made = (spec: object, ...classes: PriorityClass[]): Pod => {
    const pod = podOf(spec);
    void priority.mutate?.(requestOf('Pod'), pod, undefined, readerOf(classes));
    return pod;
  };
  const refused = (spec: object, ...classes: PriorityClass[]) => refusalOf(() => made(spec, ...classes));

  test('is none without classes, and then has no class either', () => {
    const { spec } = made({});
    expect(spec).toMatchObject({ priority: 0, preemptionPolicy: 'PreemptLowerPriority' });
    expect(spec).not.toHaveProperty('priorityClassName');
  });

  test('is that of the lowest default class when there are several', () => {
    const classes = [class_('b', 9, { globalDefault: true }), class_('a', 5, { globalDefault: true }), class_('c', 1)];
    expect(made({}, ...classes).spec).toMatchObject({ priority: 5, priorityClassName: 'a' });
  });

  test('may be set by the client only to the value of the class', () => {
    const high = class_('high', 100, { preemptionPolicy: 'Never' });
    const agreeing = { priorityClassName: 'high', priority: 100, preemptionPolicy: 'Never' };
    expect(made(agreeing, high).spec).toMatchObject(agreeing);
    expect(refused({ ...agreeing, priority: 0 }, high)).toMatch('the integer value of priority (0)');
    expect(refused({ ...agreeing, preemptionPolicy: 'PreemptLowerPriority' }, high)).toMatch('PreemptionPolicy');
    expect(refused({ priorityClassName: 'gone' }, high)).toMatch('no PriorityClass with name gone was found');
  });

  test('is not set without a pod spec', () => {
    for (const spec of [undefined, null, 'text']) {
      const pod = { ...podOf(), spec } as never;
      expect(refusalOf(() => priority.mutate?.(requestOf('Pod'), pod, undefined, readerOf([])))).toBeUndefined();
    }
    const own = class_('x', 5);
    void priority.mutate?.(requestOf('PriorityClass'), own, undefined, readerOf([]));
    expect(own).toEqual(class_('x', 5));
  });

  test('has one default class at most, that may be written again', () => {
    const write = (object: KubeObject, ...known: PriorityClass[]) =>
      refusalOf(() => priority.validate?.(requestOf('PriorityClass'), object, undefined, readerOf(known)));
    const first = class_('first', 1, { globalDefault: true });
    expect(write(class_('x', 2, { globalDefault: true }), first)).toMatch(
      'PriorityClass first is already marked as default',
    );
    expect(write(class_('x', 2), first)).toBeUndefined();
    expect(write(class_('x', 2, { globalDefault: true }), class_('other', 1))).toBeUndefined();
    expect(write(class_('x', 2, { globalDefault: true }), class_('x', 1, { globalDefault: true }))).toBeUndefined();
    expect(
      refusalOf(() => priority.validate?.(requestOf('Pod'), podOf(), undefined, readerOf([first]))),
    ).toBeUndefined();
  });
});

describe('the class of an Ingress', () => {
  const annotation = 'ingressclass.kubernetes.io/is-default-class';
  const known = (name: string, value = 'true') =>
    stored('IngressClass', name, { spec: {} }, { annotations: { [annotation]: value } });
  const made = (ingress: Ingress, ...classes: KubeObject[]) => {
    void defaultIngressClass.mutate?.(requestOf('Ingress'), ingress, undefined, readerOf(classes));
    return ingress.spec?.ingressClassName;
  };
  const ingress = (spec: object | undefined, annotations?: object) =>
    stored('Ingress', 'x', spec ? { spec } : {}, { annotations });

  test('is the default one when it names none in either way', () => {
    expect(made(ingress({}), known('other', 'false'), known('nginx'))).toBe('nginx');
    expect(made(ingress({}), known('other', 'false'))).toBeUndefined();
    expect(made(ingress({ ingressClassName: 'own' }), known('nginx'))).toBe('own');
    expect(made(ingress({}, { 'kubernetes.io/ingress.class': 'own' }), known('nginx'))).toBeUndefined();
    expect(made(ingress(undefined), known('nginx'))).toBeUndefined();
  });

  test('is not guessed when there are two default ones', () => {
    expect(refusalOf(() => made(ingress({}), known('a'), known('b')))).toMatch('2 default IngressClasses were found');
    expect(refusalOf(() => made(ingress({ ingressClassName: 'own' }), known('a'), known('b')))).toBeUndefined();
  });
});

describe('the class of a claim', () => {
  const annotation = 'storageclass.kubernetes.io/is-default-class';
  const known = (name: string, creationTimestamp?: string, value = 'true') =>
    stored('StorageClass', name, {}, { annotations: { [annotation]: value }, creationTimestamp });
  const made = (claim: PersistentVolumeClaim, ...classes: KubeObject[]) => {
    void defaultStorageClass.mutate?.(requestOf('PersistentVolumeClaim'), claim, undefined, readerOf(classes));
    return claim.spec?.storageClassName;
  };
  const claim = (spec: object | undefined, annotations?: object) =>
    stored('PersistentVolumeClaim', 'x', spec ? { spec } : {}, { annotations });

  test('is the newest default class when none is named, of equally old ones the first by name', () => {
    const [old, young] = [known('old', '2026-01-01T00:00:00Z'), known('young', '2026-02-01T00:00:00Z')];
    expect(made(claim({}), old, young)).toBe('young');
    expect(made(claim({}), young, old)).toBe('young');
    const [a, b] = [known('a', '2026-02-01T00:00:00Z'), known('b', '2026-02-01T00:00:00Z')];
    expect([made(claim({}), a, b), made(claim({}), b, a)]).toEqual(['a', 'a']);
    expect([made(claim({}), old, known('z')), made(claim({}), known('z'), old)]).toEqual(['old', 'old']);
    expect(made(claim({}), known('no', '2026-03-01T00:00:00Z', 'false'), old)).toBe('old');
  });

  test('stays unset when the claim asks for none, or uses the old annotation', () => {
    const any = known('any', '2026-01-01T00:00:00Z');
    expect(made(claim({ storageClassName: '' }), any)).toBe('');
    expect(made(claim({ storageClassName: 'own' }), any)).toBe('own');
    expect(made(claim({}, { 'volume.beta.kubernetes.io/storage-class': 'own' }), any)).toBeUndefined();
    expect(made(claim({}, { other: 'x' }), any)).toBe('any');
    expect(made(claim(undefined), any)).toBeUndefined();
    expect(made(claim({}))).toBeUndefined();
  });
});

describe('the runtime class of a pod', () => {
  const known = (more: object = {}): RuntimeClass => stored('RuntimeClass', 'vm', { handler: 'vm', ...more });
  const overhead = { podFixed: { cpu: '100m', memory: '64Mi' } };
  const made = (spec: object, ...classes: RuntimeClass[]): Pod => {
    const pod = podOf(spec);
    void runtimeClass.mutate?.(requestOf('Pod'), pod, undefined, readerOf(classes));
    return pod;
  };
  const refused = (spec: object, ...classes: RuntimeClass[]) => refusalOf(() => made(spec, ...classes));

  test('must be there', () => {
    expect(refused({ runtimeClassName: 'gone' }, known())).toMatch('pod rejected: RuntimeClass "gone" not found');
    expect(made({}, known()).spec).toEqual(podOf().spec);
    expect(made({ runtimeClassName: 'vm' }, known()).spec).toEqual(podOf({ runtimeClassName: 'vm' }).spec);
    const pod = { ...podOf(), spec: undefined } as never;
    expect(refusalOf(() => runtimeClass.mutate?.(requestOf('Pod'), pod, undefined, readerOf([])))).toBeUndefined();
  });

  test('is set from the pod’s runtime class; another value is refused', () => {
    const vm = { runtimeClassName: 'vm' };
    const pod = made(vm, known({ overhead }));
    expect(pod.spec.overhead).toEqual(overhead.podFixed);
    expect(made({ ...vm, overhead: { ...overhead.podFixed } }, known({ overhead })).spec.overhead).toEqual(
      overhead.podFixed,
    );
    expect(refused({ ...vm, overhead: { cpu: '1' } }, known({ overhead }))).toMatch(
      "doesn't match RuntimeClass's defined Overhead",
    );
    expect(refused({ ...vm, overhead: { cpu: '1' } }, known())).toMatch(
      'without corresponding RuntimeClass defined Overhead',
    );
    expect(refused({ ...vm, overhead: { cpu: '1' } }, known({ overhead: {} }))).toMatch('without corresponding');
    expect(refused({ overhead: { cpu: '1' } }, known({ overhead }))).toMatch('without corresponding');
  });

  test('adds the scheduling constraints of its runtime class to those of the pod', () => {
    const scheduling = {
      nodeSelector: { vm: 'yes', zone: 'a' },
      tolerations: [
        { key: 'vm', operator: 'Exists' },
        { key: 'own', operator: 'Equal', value: 'x' },
      ],
    };
    const tolerations = [
      { key: 'own', operator: 'Equal', value: 'x' },
      { key: 'own', operator: 'Equal', value: 'y' },
    ];
    const pod = made(
      { runtimeClassName: 'vm', nodeSelector: { disk: 'ssd', zone: 'a' }, tolerations },
      known({ scheduling }),
    );
    expect(pod.spec.nodeSelector).toEqual({ disk: 'ssd', vm: 'yes', zone: 'a' });
    expect(pod.spec.tolerations).toEqual([...tolerations, { key: 'vm', operator: 'Exists' }]);
    const plain = made({ runtimeClassName: 'vm' }, known({ scheduling })).spec;
    expect(plain).toMatchObject(scheduling);
    expect(
      refused({ runtimeClassName: 'vm', nodeSelector: { disk: 'ssd', zone: 'b' } }, known({ scheduling })),
    ).toMatch('conflict: runtimeClass.scheduling.nodeSelector[zone] = a; pod.spec.nodeSelector[zone] = b');
    const both = made({ runtimeClassName: 'vm' }, known({ scheduling, overhead })).spec;
    expect(both).toMatchObject({ ...scheduling, overhead: overhead.podFixed });
    expect(made({ runtimeClassName: 'vm', tolerations }, known({ scheduling: { tolerations } })).spec).toEqual(
      podOf({ runtimeClassName: 'vm', tolerations } as never).spec,
    );
  });
});
