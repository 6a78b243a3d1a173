import { describe, expect, it } from 'vitest';
import type { Kind } from '../../generated/types.ts';
import type { KubeObject } from '../../object.ts';
import { kindNamed } from '../index.ts';
import { ageOf, humanDuration } from './age.ts';

const now = Date.parse('2026-01-31T12:00:00Z');
const ago = (seconds: number): string => new Date(now - seconds * 1000).toISOString();

/** A row of kubectl's table, wide, by column. */
function row(kind: Kind, object: object): Record<string, unknown> {
  const whole = { metadata: { name: 'a', creationTimestamp: ago(300) }, spec: {}, ...object } as unknown as KubeObject;
  return Object.fromEntries(kindNamed(kind).columns.map((column) => [column.name, column.value(whole, now)]));
}

describe('humanDuration', () => {
  const [minute, hour, day] = [60, 3600, 86_400];
  it.each([
    [-2, '<invalid>'],
    [-1, '0s'],
    [0, '0s'],
    [119, '119s'],
    [2 * minute, '2m'],
    [9 * minute + 59, '9m59s'],
    [10 * minute + 5, '10m'],
    [179 * minute, '179m'],
    [3 * hour, '3h'],
    [7 * hour + 30 * minute, '7h30m'],
    [8 * hour + 30 * minute, '8h'],
    [47 * hour, '47h'],
    [2 * day, '2d'],
    [7 * day + 23 * hour, '7d23h'],
    [8 * day + 5 * hour, '8d'],
    [729 * day, '729d'],
    [2 * 365 * day, '2y'],
    [3 * 365 * day + 10 * day, '3y10d'],
    [9 * 365 * day, '9y'],
  ])('%d s is %s', (seconds, expected) => {
    expect(humanDuration(seconds * 1000)).toBe(expected);
  });

  it('shows no age for an object without a time', () => {
    expect(ageOf(undefined, now)).toBe('<unknown>');
  });
});

describe('a pod’s row', () => {
  const containers = [{ name: 'a' }, { name: 'b' }];
  const initContainers = [{ name: 'i' }, { name: 's', restartPolicy: 'Always' }];
  const running = { ready: true, restartCount: 0, state: { running: {} } };
  const waiting = (reason: string) => ({ ready: false, restartCount: 0, state: { waiting: { reason } } });
  const ended = (exitCode: number, reason?: string, signal?: number) => ({
    ready: false,
    restartCount: 0,
    state: { terminated: { exitCode, reason, signal } },
  });
  const run = (...containerStatuses: object[]) => ({ phase: 'Running', containerStatuses });

  it.each<[string, object, string, object?]>([
    ['0/2 Pending', { phase: 'Pending' }, 'without a word from its node'],
    ['2/2 Running', run(running, running), 'when all runs'],
    ['1/2 CrashLoopBackOff', run(waiting('CrashLoopBackOff'), running), 'when one keeps failing'],
    [
      '0/2 ContainerCreating',
      { phase: 'Pending', containerStatuses: [waiting('ContainerCreating')] },
      'while it starts',
    ],
    ['0/2 ImagePullBackOff', run(waiting('ImagePullBackOff'), waiting('ContainerCreating')), 'by the first that waits'],
    ['0/2 Error', run(ended(1, 'Error'), ended(0, 'Completed')), 'when it failed'],
    ['0/2 OOMKilled', run(ended(137, 'OOMKilled'), ended(0, 'Completed')), 'when it needed too much'],
    ['0/2 ExitCode:3', run(ended(3), ended(0, 'Completed')), 'by a code alone'],
    ['0/2 Signal:9', run(ended(137, undefined, 9), ended(0, 'Completed')), 'by a signal alone'],
    [
      '0/2 Completed',
      { phase: 'Succeeded', containerStatuses: [ended(0, 'Completed'), ended(0, 'Completed')] },
      'at its end',
    ],
    [
      '1/2 Running',
      { ...run(ended(0, 'Completed'), running), conditions: [{ type: 'Ready', status: 'True' }] },
      'when one has done its part',
    ],
    ['1/2 NotReady', run(ended(0, 'Completed'), running), 'when one has done its part and the pod is not ready'],
    ['0/2 Evicted', { phase: 'Failed', reason: 'Evicted' }, 'by the reason that the pod itself gives'],
    [
      '0/2 SchedulingGated',
      { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] },
      'behind a gate',
    ],
    [
      '2/2 Terminating',
      run(running, running),
      'while it stops',
      { metadata: { name: 'a', deletionTimestamp: ago(1) } },
    ],
    [
      '0/2 Completed',
      { phase: 'Succeeded', containerStatuses: [ended(0, 'Completed')] },
      'when it had ended before',
      { metadata: { name: 'a', deletionTimestamp: ago(1) } },
    ],
    [
      '0/3 Init:0/2',
      { phase: 'Pending', initContainerStatuses: [{ name: 'i', state: { running: {} } }] },
      'at its first init container',
      { spec: { containers, initContainers } },
    ],
    [
      '0/3 Init:1/2',
      {
        phase: 'Pending',
        initContainerStatuses: [
          { name: 'i', ...ended(0) },
          { name: 's', state: { waiting: { reason: 'PodInitializing' } } },
        ],
      },
      'between init containers',
      { spec: { containers, initContainers } },
    ],
    [
      '0/3 Init:CrashLoopBackOff',
      { phase: 'Pending', initContainerStatuses: [{ name: 'i', ...waiting('CrashLoopBackOff') }] },
      'when an init container keeps failing',
      { spec: { containers, initContainers } },
    ],
    [
      '0/3 Init:Error',
      { phase: 'Pending', initContainerStatuses: [{ name: 'i', ...ended(1, 'Error') }] },
      'when an init container failed',
      { spec: { containers, initContainers } },
    ],
    [
      '3/3 Running',
      {
        ...run(running, running),
        initContainerStatuses: [
          { name: 'i', ...ended(0) },
          { name: 's', started: true, ...running },
        ],
      },
      'with its sidecar',
      { spec: { containers, initContainers } },
    ],
  ])('%s %s', (expected, status, _when, more = {}) => {
    const { Ready, Status } = row('Pod', { spec: { containers }, status, ...more });
    expect(`${Ready} ${Status}`).toBe(expected);
  });

  it('counts restarts and shows the time since the last one', () => {
    const restarted = { ...running, restartCount: 3, lastState: { terminated: { exitCode: 1, finishedAt: ago(320) } } };
    const status = run(restarted, { ...running, restartCount: 1, lastState: { terminated: { finishedAt: ago(900) } } });
    expect(row('Pod', { spec: { containers }, status }).Restarts).toBe('4 (5m20s ago)');
    expect(row('Pod', { spec: { containers }, status: run(running) }).Restarts).toBe('0');
  });

  it('leaves out the restarts of init containers that have done their part', () => {
    const initContainerStatuses = [{ name: 'i', ...ended(0), restartCount: 5 }];
    const spec = { containers, initContainers };
    expect(row('Pod', { spec, status: { ...run(running), initContainerStatuses } }).Restarts).toBe('0');
    expect(
      row('Pod', { spec, status: { initContainerStatuses: [{ name: 'i', ...waiting('x'), restartCount: 5 }] } })
        .Restarts,
    ).toBe('5');
  });

  it('shows more with -o wide', () => {
    expect(row('Pod', { spec: { containers } })).toMatchObject({
      Age: '5m',
      IP: '<none>',
      Node: '<none>',
      'Nominated Node': '<none>',
      'Readiness Gates': '<none>',
    });
    expect(
      row('Pod', {
        spec: { containers, nodeName: 'n1', readinessGates: [{ conditionType: 'x' }, { conditionType: 'y' }] },
        status: { podIP: '10.0.0.1', nominatedNodeName: 'n2', conditions: [{ type: 'x', status: 'True' }] },
      }),
    ).toMatchObject({ IP: '10.0.0.1', Node: 'n1', 'Nominated Node': 'n2', 'Readiness Gates': '1/2' });
  });
});

describe('rows of other kinds', () => {
  const template = {
    metadata: { labels: { b: '2', a: '1' } },
    spec: {
      containers: [
        { name: 'x', image: 'i' },
        { name: 'y', image: 'j' },
      ],
    },
  };
  const selector = { matchLabels: { app: 'web' } };

  it.each<[Kind, object, Record<string, unknown>]>([
    [
      'Deployment',
      {
        spec: { replicas: 3, selector, template },
        status: { readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 },
      },
      {
        Name: 'a',
        Ready: '1/3',
        'Up-to-date': 2,
        Available: 1,
        Age: '5m',
        Containers: 'x,y',
        Images: 'i,j',
        Selector: 'app=web',
      },
    ],
    [
      'ReplicaSet',
      { spec: { replicas: 3, selector, template }, status: { replicas: 2, readyReplicas: 1 } },
      { Name: 'a', Desired: 3, Current: 2, Ready: 1, Age: '5m', Containers: 'x,y', Images: 'i,j', Selector: 'app=web' },
    ],
    [
      'ReplicationController',
      { spec: { replicas: 0, selector: { b: '2', a: '1' }, template } },
      { Name: 'a', Desired: 0, Current: 0, Ready: 0, Age: '5m', Containers: 'x,y', Images: 'i,j', Selector: 'a=1,b=2' },
    ],
    ['PodTemplate', { template }, { Name: 'a', Containers: 'x,y', Images: 'i,j', 'Pod Labels': 'a=1,b=2' }],
    ['Namespace', { status: { phase: 'Terminating' } }, { Name: 'a', Status: 'Terminating', Age: '5m' }],
    ['ConfigMap', { data: { a: '' }, binaryData: { b: '' } }, { Name: 'a', Data: 2, Age: '5m' }],
    ['Secret', { type: 'Opaque', data: { a: '' } }, { Name: 'a', Type: 'Opaque', Data: 1, Age: '5m' }],
    ['ServiceAccount', {}, { Name: 'a', Secrets: 0, Age: '5m' }],
    ['Lease', { spec: { holderIdentity: 'me' } }, { Name: 'a', Holder: 'me', Age: '5m' }],
    [
      'JoinToken',
      { spec: { description: 'd', expirationTimestamp: ago(-3600) } },
      { Name: 'a', Expires: '60m', Description: 'd', Age: '5m' },
    ],
    [
      'Event',
      {
        involvedObject: { kind: 'Pod', name: 'web' },
        type: 'Warning',
        reason: 'BackOff',
        message: ' Back-off\n',
        source: { component: 'agent', host: 'n1' },
        firstTimestamp: ago(600),
        lastTimestamp: ago(60),
        count: 4,
      },
      {
        'Last Seen': '60s',
        Type: 'Warning',
        Reason: 'BackOff',
        Object: 'pod/web',
        Subobject: '',
        Source: 'agent, n1',
        Message: 'Back-off',
        'First Seen': '10m',
        Count: 4,
        Name: 'a',
      },
    ],
    [
      'Node',
      {
        metadata: {
          name: 'n1',
          creationTimestamp: ago(300),
          labels: { 'node-role.kubernetes.io/worker': '', 'kubernetes.io/role': 'edge' },
        },
        spec: { unschedulable: true },
        status: {
          conditions: [{ type: 'Ready', status: 'True' }],
          addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
          nodeInfo: {
            kubeletVersion: 'v1',
            osImage: 'Debian',
            kernelVersion: '6',
            containerRuntimeVersion: 'docker://20',
          },
        },
      },
      {
        Name: 'n1',
        Status: 'Ready,SchedulingDisabled',
        Roles: 'edge,worker',
        Age: '5m',
        Version: 'v1',
        'Internal-IP': '10.0.0.1',
        'External-IP': '<none>',
        'OS-Image': 'Debian',
        'Kernel-Version': '6',
        'Container-Runtime': 'docker://20',
      },
    ],
  ])('%s', (kind, object, expected) => {
    expect(row(kind, object)).toEqual(expected);
  });

  it('shows the facts of a node', () => {
    expect(row('Node', {})).toMatchObject({ Status: 'Unknown', Roles: '<none>', 'OS-Image': '<unknown>' });
    const status = { conditions: [{ type: 'Ready', status: 'Unknown' }] };
    expect(row('Node', { status })).toMatchObject({ Status: 'NotReady' });
  });
});
