import { describe, expect, it } from 'vitest';
import { runChild } from './run-child.ts';

const limitMs = 20_000;

describe('a child', () => {
  it('gives its exit code, its output and the beginning of its error output', async () => {
    const script = 'echo out; echo err >&2; exit 3';
    expect(await runChild('sh', ['-c', script], { limitMs, maxOutput: 100 })).toEqual({
      code: 3,
      output: 'out\n',
      errorOutput: 'err',
    });
    expect((await runChild('sh', ['-c', script], { limitMs })).output).toBe('');
    const { errorOutput } = await runChild('sh', ['-c', 'yes x | head -c 200000 >&2'], { limitMs });
    expect(errorOutput.length).toBeLessThan(100_000);
  });

  it('reads its input, or ends without reading it', async () => {
    expect((await runChild('cat', [], { limitMs, maxOutput: 100, input: 'in' })).output).toBe('in');
    const large = 'x'.repeat(2 ** 20);
    expect((await runChild('true', [], { limitMs, input: large })).code).toBe(0);
  });

  it('is killed when it takes longer than it may', async () => {
    expect((await runChild('sleep', ['1000'], { limitMs: 50 })).code).toBeNull();
  });

  it('is killed when the signal is aborted, and has ended when the call rejects', async () => {
    const stop = new AbortController();
    const reason = new Error('the agent ends');
    const running = runChild('sleep', ['1000'], { limitMs, signal: stop.signal });
    stop.abort(reason);
    await expect(running).rejects.toBe(reason);
    await expect(runChild('true', [], { limitMs, signal: stop.signal })).rejects.toBe(reason);
  });

  it('that cannot be started is an error with its code', async () => {
    await expect(runChild('/no/such/program', [], { limitMs })).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
