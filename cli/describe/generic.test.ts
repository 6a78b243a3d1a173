import { expect, test } from 'vitest';
import type { KubeObject } from '../../shared/object.ts';
import { genericLines, inWords } from './generic.ts';
import { renderLines } from './section.ts';

const metadata = { name: 'x', uid: '', resourceVersion: '', creationTimestamp: '' };

test.each([
  ['holderIdentity', 'Holder Identity'],
  ['clusterIPs', 'Cluster IPs'],
  ['podCIDR', 'Pod CIDR'],
  ['uid', 'UID'],
  ['provisioner', 'Provisioner'],
  ['ttlSecondsAfterFinished', 'TTL Seconds After Finished'],
])('the field %s is called %s', (field, words) => {
  expect(inWords(field)).toBe(words);
});

test('any object is described by its fields; lists by their names, maps by their keys as they are', () => {
  const object = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: {
      selector: { app: 'web' },
      clusterIPs: ['10.0.0.1', '10.0.0.2'],
      ports: [{ name: 'http', port: 80, targetPort: 'web' }, { port: 53 }],
      sessionAffinityConfig: {},
    },
  } as unknown as KubeObject;
  expect(renderLines(genericLines(object, 'k8s.io.api.core.v1.Service'))).toBe(
    [
      'Spec:',
      '  Selector:',
      '    app:  web',
      '  Cluster IPs:              10.0.0.1',
      '                            10.0.0.2',
      '  Ports:',
      '    http:',
      '      Port:         80',
      '      Target Port:  web',
      '    2:',
      '      Port:  53',
      '  Session Affinity Config:  <none>',
      '',
    ].join('\n'),
  );
});

test('what has no type is shown as it is, and a long text in its own column', () => {
  const object = {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata,
    data: { specOf: { aB: 'two\nlines\n' } },
    revision: 3,
  } as unknown as KubeObject;
  expect(renderLines(genericLines(object, 'k8s.io.api.apps.v1.ControllerRevision'))).toBe(
    ['Data:', '  specOf:', '    aB:  two', '         lines', 'Revision:  3', ''].join('\n'),
  );
});
