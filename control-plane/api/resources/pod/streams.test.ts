import { expect, test } from 'vitest';
import type { Pod } from '../../../../shared/generated/types.ts';
import type { ConnectQuery } from '../../api.ts';
import { streamRequest } from './streams.ts';

function podOf(containers: string[], more: { phase?: string; annotation?: string; init?: string[] } = {}): Pod {
  const { phase = 'Running', annotation, init = [] } = more;
  const annotations = annotation ? { 'kubectl.kubernetes.io/default-container': annotation } : {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'shop', uid: 'u', annotations },
    spec: {
      nodeName: 'n1',
      containers: containers.map((name) => ({ name, image: 'x' })),
      initContainers: init.map((name) => ({ name, image: 'x' })),
      ephemeralContainers: [{ name: 'debug', image: 'x' }],
    },
    status: { phase },
  } as unknown as Pod;
}

const exec = { type: 'exec', command: ['sh'], stdout: true } as const;
const containerIn = (pod: Pod, query: Partial<ConnectQuery> = {}): unknown =>
  (streamRequest(pod, { ...exec, ...query } as ConnectQuery).parameters as { container?: string }).container;

test('the container is the one named, that of the annotation, or the only one', () => {
  expect(containerIn(podOf(['a'], { init: ['i'] }))).toBe('a');
  expect(containerIn(podOf(['a', 'b'], { annotation: 'b' }))).toBe('b');
  for (const container of ['a', 'i', 'debug']) {
    expect(containerIn(podOf(['a', 'b'], { init: ['i'] }), { container })).toBe(container);
  }
  expect(() => containerIn(podOf(['a', 'b'], { init: ['i'] }))).toThrow(
    'a container name must be specified for pod web, choose one of: [i a b debug]',
  );
  expect(() => containerIn(podOf(['a']), { container: 'x' })).toThrow('container x is not valid for pod web');
});

test('a terminal has no standard error of its own', () => {
  const { parameters } = streamRequest(podOf(['a']), { ...exec, stderr: true, tty: true });
  expect(parameters).toMatchObject({ stdout: true, stderr: false, tty: true, command: ['sh'] });
});

test.each([
  [{ ...exec, stdout: false }, 'you must specify at least 1 of stdin, stdout, stderr'],
  [{ ...exec, stdout: false, stderr: true, tty: true }, 'you must specify at least 1 of stdin, stdout, stderr'],
  [{ ...exec, command: [] }, 'you must specify at least one command for the container'],
  [{ type: 'portforward', port: 0 }, 'unable to parse "0" as a port: must be between 1 and 65535, inclusive'],
  [{ type: 'portforward', port: 65_536 }, 'unable to parse "65536" as a port'],
] as const)('%j is refused', (query, why) => {
  expect(() => streamRequest(podOf(['a']), query)).toThrow(why);
});

test('a stream that has ended cannot be joined', () => {
  const done = podOf(['a'], { phase: 'Failed' });
  expect(() => streamRequest(done, exec)).toThrow(
    'cannot exec into a container in a completed pod; current phase is Failed',
  );
  expect(() => streamRequest(done, { type: 'attach', stdout: true })).toThrow(
    'cannot attach to a container in a completed pod; current phase is Failed',
  );
});
