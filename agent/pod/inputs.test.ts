import { describe, expect, it } from 'vitest';
import type { Pod } from '../../shared/generated/types.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { ConfigError, fieldValue, type PodFacts, resourceValue } from './inputs.ts';

const facts: PodFacts = {
  nodeName: 'node-1',
  hostIP: '192.0.2.1',
  podIP: '10.64.3.2',
  allocatable: { cpuMillis: 3_500, memoryBytes: 8 * 2 ** 30, ephemeralBytes: 20 * 2 ** 30 },
};

describe('a field of the downward API', () => {
  const pod: Pod = makePod(
    'web',
    { nodeName: 'node-7', serviceAccountName: 'builder' },
    { labels: { tier: 'front', 'example.org/app': 'web' }, annotations: { note: 'say "hi"\nthere' } },
  );

  it.each([
    ['metadata.name', 'web'],
    ['metadata.namespace', 'default'],
    ['metadata.uid', 'uid-web'],
    ['metadata.labels', 'example.org/app="web"\ntier="front"'],
    ['metadata.annotations', 'note="say \\"hi\\"\\nthere"'],
    ["metadata.labels['tier']", 'front'],
    ["metadata.labels['example.org/app']", 'web'],
    ["metadata.annotations['note']", 'say "hi"\nthere'],
    ["metadata.labels['other']", ''],
    ["metadata.labels['note']", ''],
    ['spec.nodeName', 'node-7'],
    ['spec.serviceAccountName', 'builder'],
    ['status.hostIP', '192.0.2.1'],
    ['status.hostIPs', '192.0.2.1'],
    ['status.podIP', '10.64.3.2'],
    ['status.podIPs', '10.64.3.2'],
  ])('%s is %j', (path, value) => {
    expect(fieldValue(pod, path, facts)).toBe(value);
  });

  it('that is a map has its keys in order', () => {
    const labels = { b: '2', a: '1', d: '4', c: '3' };
    expect(fieldValue(makePod('web', {}, { labels }), 'metadata.labels', facts)).toBe('a="1"\nb="2"\nc="3"\nd="4"');
  });

  it('is empty where the pod has none, and the node is this one where none is named', () => {
    const { nodeName: _, ...spec } = pod.spec;
    const { labels: __, annotations: ___, namespace: ____, ...metadata } = pod.metadata;
    const bare: Pod = { ...pod, metadata, spec: { ...spec, serviceAccountName: '' } };
    for (const path of ['metadata.labels', "metadata.labels['a']", 'metadata.annotations', 'metadata.namespace']) {
      expect(fieldValue(bare, path, facts)).toBe('');
    }
    expect(fieldValue(bare, 'spec.nodeName', facts)).toBe('node-1');
    const { serviceAccountName: _____, ...unnamed } = bare.spec;
    expect(fieldValue({ ...bare, spec: unnamed }, 'spec.serviceAccountName', facts)).toBe('');
  });

  it.each([
    'metadata.generation',
    'spec',
    '',
    "metadata.labels['']",
    "x.metadata.labels['a']",
    "metadata.labels['a'].b",
  ])('%j is refused by name', (path) => {
    expect(() => fieldValue(pod, path, facts)).toThrow(new ConfigError(`unsupported fieldPath: ${path}`));
  });
});

describe('a resource of the downward API', () => {
  const limits = { cpu: '1500m', memory: '100Mi', 'ephemeral-storage': '1Gi' };
  const requests = { cpu: '250m', memory: '33000001', 'ephemeral-storage': '512Mi' };
  const pod = makePod('web', {
    initContainers: [container('init', { resources: { limits: { cpu: '7' } } })],
    containers: [container('app', { resources: { limits, requests } }), container('free')],
  });
  const value = (name: string, resource: string, divisor?: string) =>
    resourceValue(pod, name, { resource, ...(divisor === undefined ? {} : { divisor }) }, facts);

  it.each([
    ['limits.cpu', undefined, '2'],
    ['limits.cpu', '1', '2'],
    ['limits.cpu', '1m', '1500'],
    ['limits.cpu', '0', '2'],
    ['requests.cpu', undefined, '1'],
    ['requests.cpu', '1m', '250'],
    ['limits.memory', undefined, '104857600'],
    ['limits.memory', '1Mi', '100'],
    ['limits.memory', '1Gi', '1'],
    ['requests.memory', '1M', '34'],
    ['requests.memory', '1', '33000001'],
    ['limits.ephemeral-storage', '1Mi', '1024'],
    ['requests.ephemeral-storage', '1Gi', '1'],
  ])('%s in units of %s is %s: rounded up, never down', (resource, divisor, text) => {
    expect(value('app', resource, divisor)).toBe(text);
  });

  it.each([
    ['limits.cpu', '4'],
    ['limits.memory', String(8 * 2 ** 30)],
    ['limits.ephemeral-storage', String(20 * 2 ** 30)],
    ['requests.cpu', '0'],
    ['requests.memory', '0'],
    ['requests.ephemeral-storage', '0'],
    ['limits.hugepages-2Mi', '0'],
  ])('%s of a container without any is %s: the node is its limit, and it asks for nothing', (resource, text) => {
    expect(value('free', resource)).toBe(text);
  });

  it('may be that of an init container', () => {
    expect(value('init', 'limits.cpu')).toBe('7');
  });

  it.each(['cpu', 'limitscpu', 'limits.', 'capacity.memory', 'capacity.cpu', 'status.limits.memory'])(
    '%s is refused by name',
    (resource) => {
      expect(() => value('app', resource)).toThrow(new ConfigError(`unsupported container resource : ${resource}`));
    },
  );

  it('of a container that there is not is refused by name', () => {
    expect(() => value('gone', 'limits.cpu')).toThrow(new ConfigError('container gone not found'));
  });
});
