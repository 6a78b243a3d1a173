import { expect, test } from 'vitest';
import { ofContainer } from './container-stats.ts';

const id = 'a'.repeat(64);

test('a container whose first process has gone into a cgroup below is measured as a whole', () => {
  const dir = `/sys/fs/cgroup/system.slice/docker-${id}.scope`;
  expect(ofContainer({ version: 2, dir: `${dir}/init.scope` }, id)).toEqual({ version: 2, dir });
  const files = { version: 1, cpu: `/cpu/docker/${id}/x`, memory: `/memory/docker/${id}` } as const;
  expect(ofContainer(files, id)).toEqual({ version: 1, cpu: `/cpu/docker/${id}`, memory: `/memory/docker/${id}` });
});

test('the cgroup of another process, met by a number of another namespace, is not taken for the container’s', () => {
  expect(ofContainer({ version: 2, dir: '/sys/fs/cgroup/user.slice' }, id)).toBeUndefined();
});
