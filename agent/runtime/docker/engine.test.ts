import { expect, test } from 'vitest';
import { RuntimeError } from '../runtime.ts';
import { cleanStartError, isUnanswered, toRuntimeError } from './engine.ts';

test('the message of a failed start has no prefixes of the layers that passed it on', () => {
  const notFound = 'exec: "x": executable file not found in $PATH';
  for (const words of [
    `OCI runtime create failed: container_linux.go:380: starting container process caused: ${notFound}: unknown`,
    `failed to create shim: OCI runtime create failed: runc create failed: unable to start container process: ${notFound}: unknown`,
    `failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ${notFound}: unknown`,
    `failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: ${notFound}: unknown`,
  ]) {
    expect(cleanStartError(words)).toBe(notFound);
  }
  const crun =
    'OCI runtime create failed: crun: executable file `x` not found in $PATH: No such file or directory: unknown';
  expect(cleanStartError(crun)).toBe('executable file `x` not found in $PATH: No such file or directory');
  expect(cleanStartError('something else')).toBe('something else');
});

test('what the engine answers becomes one of the runtime’s errors, in its own words', () => {
  const answer = (statusCode: number, message: string) =>
    toRuntimeError('x', Object.assign(new Error('wrapped'), { statusCode, json: { message } }));
  expect(answer(404, 'No such container: abc')).toMatchObject({ code: 'NotFound', message: 'No such container: abc' });
  expect(answer(404, 'No such image: a:b')).toMatchObject({ code: 'ImageNotFound' });
  expect(answer(404, 'pull access denied for a, repository does not exist')).toMatchObject({ code: 'ImageNotFound' });
  expect(answer(409, 'Conflict. The container name "/a" is already in use')).toMatchObject({ code: 'Conflict' });
  expect(answer(400, 'OCI runtime create failed')).toMatchObject({ code: 'Start' });
  expect(answer(500, 'no space left on device')).toMatchObject({ code: 'Unavailable' });
  expect(isUnanswered(answer(500, 'no space left on device'))).toBe(false);
  const sentence = '(HTTP code 500) server error - Get "https://registry.example/v2/": connection refused ';
  expect(toRuntimeError('pull image', Object.assign(new Error(sentence), { statusCode: 500 })).message).toBe(
    'Get "https://registry.example/v2/": connection refused',
  );
});

test('an engine that does not answer is unavailable, whatever the reason', () => {
  const refused = toRuntimeError('list containers', Object.assign(new Error('connect ENOENT'), { code: 'ENOENT' }));
  expect(refused).toBeInstanceOf(RuntimeError);
  expect(refused).toMatchObject({ code: 'Unavailable', message: 'list containers: connect ENOENT' });
  expect(isUnanswered(refused)).toBe(true);
});
