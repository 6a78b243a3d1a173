import { expect, it } from 'vitest';
import type { Node, PersistentVolume, PersistentVolumeClaim } from '../../shared/generated/types.ts';
import { annotations } from '../../shared/storage/claims.ts';
import { pendingPod, readyNode } from '../../test/support/scheduling.ts';
import { claimOf, onNodes, volumeOf } from '../../test/support/volumes.ts';
import { podData } from './pod-data.ts';

const claim = (marks: Record<string, string>, spec: object = {}) =>
  claimOf('data', spec, { annotations: marks }) as PersistentVolumeClaim;
const bound = claim({ [annotations.bindCompleted]: 'yes' }, { volumeName: 'v' });
const volume = volumeOf('v', onNodes('n')) as PersistentVolume;
const pod = pendingPod(
  'p',
  {},
  {
    spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] },
  },
);
const lost: Node = { ...readyNode('n'), status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } };
const advice = 'The pod waits until that node is back; to go on without the data, delete the claim and make it anew.';

it.each<[string, PersistentVolumeClaim[], PersistentVolume[], Node[], string[]]>([
  ['nothing while a node reaches it', [bound], [volume], [readyNode('n')], []],
  [
    'that its node is not ready',
    [bound],
    [volume],
    [lost],
    [`The data of its claim data is on node n, which is not ready. ${advice}`],
  ],
  [
    'that its node is gone',
    [bound],
    [volume],
    [readyNode('m')],
    [`The data of its claim data is on a node that is not part of the cluster any more. ${advice}`],
  ],
  ['that its volume is gone', [bound], [], [], ['The volume v of its claim data does not exist any more.']],
  ['that it does not exist', [], [], [], ['Its claim data does not exist.']],
  [
    'that its volume is being made',
    [claim({ [annotations.selectedNode]: 'n' })],
    [],
    [],
    ['The volume of its claim data is being made on node n.'],
  ],
])('says of a claim %s', (_, claims, volumes, nodes, lines) => {
  expect(podData(pod, { claims, volumes, classes: [] }, nodes)).toEqual(lines);
});
