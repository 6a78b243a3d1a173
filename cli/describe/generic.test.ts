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

test('any object is described by its fields, lists by their names, maps by their keys', () => {
  const object = {
    apiVersion: 'v1',
    kind: 'Thing',
    metadata,
    provisioner: 'a.b/c',
    parameters: { 'csi.storage.k8s.io/fstype': 'ext4' },
    spec: {
      clusterIPs: ['10.0.0.1', '10.0.0.2'],
      ports: [{ name: 'http', port: 80, target: { name: 'x', ready: true } }, { port: 53 }],
      nothing: {},
      text: 'two\nlines\n',
    },
  } as unknown as KubeObject;
  expect(renderLines(genericLines(object))).toBe(
    [
      'Provisioner:  a.b/c',
      'Parameters:',
      '  csi.storage.k8s.io/fstype:  ext4',
      'Spec:',
      '  Cluster IPs:  10.0.0.1',
      '                10.0.0.2',
      '  Ports:',
      '    http:',
      '      Port:  80',
      '      Target:',
      '        Name:   x',
      '        Ready:  true',
      '    2:',
      '      Port:  53',
      '  Nothing:      <none>',
      '  Text:         two',
      '                lines',
      '',
    ].join('\n'),
  );
});
