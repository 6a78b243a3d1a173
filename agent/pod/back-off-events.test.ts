import { expect, test } from 'vitest';
import type { ContainerStatus, Pod } from '../../shared/generated/types.ts';
import { backOffEvents } from './back-off-events.ts';

const pod = {
  metadata: { name: 'web', namespace: 'shop', uid: 'u1' },
  spec: { containers: [{ name: 'app', image: 'app:1' }] },
} as Pod;

const waiting = (reason: string, restartCount = 0) => ({
  containerStatuses: [{ name: 'app', restartCount, state: { waiting: { reason } } } as ContainerStatus],
});

test('a container in back-off gets one event for each restart, in the words of the kubelet', () => {
  const told = {
    type: 'Warning',
    reason: 'BackOff',
    text: 'Back-off restarting failed container app in pod web_shop(u1)',
    container: 'app',
  };
  expect(backOffEvents(pod, undefined, waiting('CrashLoopBackOff', 1))).toEqual([told]);
  expect(backOffEvents(pod, waiting('CrashLoopBackOff', 1), waiting('CrashLoopBackOff', 1))).toEqual([]);
  expect(backOffEvents(pod, waiting('CrashLoopBackOff', 1), waiting('CrashLoopBackOff', 2))).toEqual([told]);
});

test('an image in back-off gets two events, as from the kubelet', () => {
  expect(backOffEvents(pod, waiting('ErrImagePull'), waiting('ImagePullBackOff'))).toEqual([
    { type: 'Normal', reason: 'BackOff', text: 'Back-off pulling image "app:1"', container: 'app' },
    { type: 'Warning', reason: 'Failed', text: 'Error: ImagePullBackOff', container: 'app' },
  ]);
});

test('a container is reported by its own image and its own past, be it an init, an app or an ephemeral one', () => {
  const many = {
    ...pod,
    spec: {
      initContainers: [{ name: 'one', image: 'one:1' }],
      containers: [
        { name: 'app', image: 'app:1' },
        { name: 'other', image: 'other:1' },
      ],
      ephemeralContainers: [{ name: 'debug', image: 'debug:1' }],
    },
  } as Pod;
  const stateOf = (name: string, reason?: string) =>
    ({ name, image: `${name}:9`, restartCount: 0, state: reason ? { waiting: { reason } } : {} }) as ContainerStatus;
  const before = { containerStatuses: [stateOf('app', 'ImagePullBackOff'), stateOf('other', 'ErrImagePull')] };
  const now = {
    initContainerStatuses: [stateOf('one', 'ImagePullBackOff')],
    containerStatuses: [stateOf('app', 'ImagePullBackOff'), stateOf('other', 'ImagePullBackOff')],
    ephemeralContainerStatuses: [stateOf('debug', 'ImagePullBackOff')],
  };
  const told = backOffEvents(many, before, now).filter(({ type }) => type === 'Normal');
  expect(told.map(({ container, text }) => [container, text])).toEqual([
    ['one', 'Back-off pulling image "one:1"'],
    ['other', 'Back-off pulling image "other:1"'],
    ['debug', 'Back-off pulling image "debug:9"'],
  ]);
  expect(backOffEvents(many, now, now)).toEqual([]);
  expect(backOffEvents(many, now, {})).toEqual([]);
  expect(
    backOffEvents(many, now, { containerStatuses: [stateOf('app'), { name: 'other' } as ContainerStatus] }),
  ).toEqual([]);
});

test('a container that crashed after its image could not be pulled is reported with its new reason', () => {
  expect(backOffEvents(pod, waiting('ImagePullBackOff'), waiting('CrashLoopBackOff'))).toHaveLength(1);
  expect(
    backOffEvents(pod, { containerStatuses: [{ name: 'app' } as ContainerStatus] }, waiting('CrashLoopBackOff')),
  ).toHaveLength(1);
});

test('a container that waits for its first start backs off from nothing', () => {
  expect(backOffEvents(pod, undefined, waiting('ContainerCreating'))).toEqual([]);
});
