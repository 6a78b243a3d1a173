import { expect, test } from 'vitest';
import type { ContainerStatus } from '../../shared/generated/types.ts';
import { logSource } from './log-source.ts';

const terminated = (id: string) => ({
  terminated: { exitCode: 1, containerID: id && `docker://${id}`, startedAt: '', finishedAt: '' },
});

function sourceOf(status: Partial<ContainerStatus>, previous = false) {
  const whole = { name: 'app', ready: false, restartCount: 0, image: '', imageID: '', ...status };
  return logSource({ containerStatuses: [whole] }, 'web', 'app', previous);
}

test('a running container’s log is its own, the one before that of the last run', () => {
  const running = {
    state: { running: { startedAt: '' } },
    containerID: 'docker://now',
    lastState: terminated('before'),
  };
  expect(sourceOf(running)).toEqual({ id: 'now' });
  expect(sourceOf(running, true)).toEqual({ id: 'before' });
  expect(sourceOf({ ...running, lastState: {} }, true)).toEqual({
    refusal: 'previous terminated container "app" in pod "web" not found',
  });
});

test('a container that has ended, or waits for its restart, shows its last log', () => {
  expect(sourceOf({ state: terminated('ended'), lastState: terminated('before') })).toEqual({ id: 'ended' });
  expect(sourceOf({ state: terminated('ended'), lastState: terminated('before') }, true)).toEqual({ id: 'before' });
  expect(sourceOf({ state: terminated(''), lastState: terminated('before') })).toEqual({ id: 'before' });
  const backOff = { state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: terminated('crashed') };
  expect(sourceOf(backOff)).toEqual({ id: 'crashed' });
  expect(sourceOf(backOff, true)).toEqual({ id: 'crashed' });
});

test.each([
  [{ waiting: { reason: 'ContainerCreating' } }, 'is waiting to start: ContainerCreating'],
  [{ waiting: { reason: 'ErrImagePull' } }, "is waiting to start: image can't be pulled"],
  [{ waiting: { reason: 'ImagePullBackOff' } }, 'is waiting to start: trying and failing to pull image'],
  [terminated(''), 'is terminated'],
  [{}, 'is waiting to start - no logs yet'],
])('a container that has no log yet says why: %j', (state, why) => {
  expect(sourceOf({ state })).toEqual({ refusal: `container "app" in pod "web" ${why}` });
});

test('init and ephemeral containers have logs as well; of others nothing is known', () => {
  const status = { name: 'one', ready: false, restartCount: 0, image: '', imageID: '', state: terminated('x') };
  expect(logSource({ initContainerStatuses: [status] }, 'web', 'one', false)).toEqual({ id: 'x' });
  expect(logSource({ ephemeralContainerStatuses: [status] }, 'web', 'one', false)).toEqual({ id: 'x' });
  expect(logSource(undefined, 'web', 'one', false)).toEqual({
    refusal: 'container "one" in pod "web" is not available',
  });
});
