import { expect, test } from 'vitest';
import type { ContainerStatus, Pod } from '../../shared/generated/types.ts';
import { backOffs } from './back-offs.ts';

const pod = {
  metadata: { name: 'web', namespace: 'shop', uid: 'u1' },
  spec: { containers: [{ name: 'app', image: 'app:1' }] },
} as Pod;

const waiting = (reason: string, restartCount = 0) => ({
  containerStatuses: [{ name: 'app', restartCount, state: { waiting: { reason } } } as ContainerStatus],
});

test('a container that waits for its restart is told of once a restart, in the words of the kubelet', () => {
  const told = {
    type: 'Warning',
    reason: 'BackOff',
    text: 'Back-off restarting failed container app in pod web_shop(u1)',
    container: 'app',
  };
  expect(backOffs(pod, undefined, waiting('CrashLoopBackOff', 1))).toEqual([told]);
  expect(backOffs(pod, waiting('CrashLoopBackOff', 1), waiting('CrashLoopBackOff', 1))).toEqual([]);
  expect(backOffs(pod, waiting('CrashLoopBackOff', 1), waiting('CrashLoopBackOff', 2))).toEqual([told]);
});

test('an image that is not pulled for a while is told of as the kubelet does, by two events', () => {
  expect(backOffs(pod, waiting('ErrImagePull'), waiting('ImagePullBackOff'))).toEqual([
    { type: 'Normal', reason: 'BackOff', text: 'Back-off pulling image "app:1"', container: 'app' },
    { type: 'Warning', reason: 'Failed', text: 'Error: ImagePullBackOff', container: 'app' },
  ]);
});

test('a container that waits for its first start backs off from nothing', () => {
  expect(backOffs(pod, undefined, waiting('ContainerCreating'))).toEqual([]);
});
