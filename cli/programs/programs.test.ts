import { afterEach, expect, it, vi } from 'vitest';
import { processIo } from '../io.ts';
import { main } from '../main.ts';

const { runAgent, runServer } = vi.hoisted(() => ({ runAgent: vi.fn(), runServer: vi.fn() }));
vi.mock('../../agent/main.ts', () => ({ runAgent }));
vi.mock('../../control-plane/main.ts', () => ({ runServer }));
afterEach(() => vi.clearAllMocks());

async function run(...args: string[]): Promise<{ code: number; said: string }> {
  const said: string[] = [];
  const io = { ...processIo(new AbortController().signal), err: (text: string) => void said.push(text) };
  return { code: await main(args, io), said: said.join('') };
}

it('starts both programs with their defaults', async () => {
  expect(await run('agent', '--server', 'host:6444')).toEqual({ code: 0, said: '' });
  expect(runAgent.mock.calls[0]?.[0]).toMatchObject({ server: 'host:6444', allowedUnsafeSysctls: [] });
  expect(await run('server')).toEqual({ code: 0, said: '' });
  expect(runServer).toHaveBeenCalledOnce();
});

it('takes lists of options, repeated or with commas', async () => {
  const sysctls = [
    '--allowed-unsafe-sysctls',
    'kernel.msg*,net.core.somaxconn',
    '--allowed-unsafe-sysctls=fs.mqueue.*',
  ];
  await run('agent', '--server', 'host:6444', ...sysctls);
  expect(runAgent.mock.calls[0]?.[0]).toMatchObject({
    allowedUnsafeSysctls: ['kernel.msg*', 'net.core.somaxconn', 'fs.mqueue.*'],
  });
});

it('refuses an option that has one value and is given twice', async () => {
  expect(await run('agent', '--server', 'a:1', '--server', 'b:1')).toEqual({
    code: 1,
    said: 'error: --server is given more than once\n',
  });
});
