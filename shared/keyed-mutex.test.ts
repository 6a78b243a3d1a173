import { describe, expect, it } from 'vitest';
import { KeyedMutex } from './keyed-mutex.ts';

describe('a keyed mutex', () => {
  it('runs the work of one key in order, one at a time, and that of another beside it', async () => {
    const mutex = new KeyedMutex();
    const order: string[] = [];
    let open: () => void = () => undefined;
    const first = mutex.run('a', async () => {
      order.push('a1 begins');
      await new Promise<void>((resolve) => {
        open = resolve;
      });
      order.push('a1 ends');
    });
    const second = mutex.run('a', async () => void order.push('a2'));
    await mutex.run('b', async () => void order.push('b'));
    expect(order).toEqual(['a1 begins', 'b']);
    open();
    await Promise.all([first, second]);
    expect(order).toEqual(['a1 begins', 'b', 'a1 ends', 'a2']);
  });

  it('returns each caller’s own result, and continues after a failure', async () => {
    const mutex = new KeyedMutex();
    const failed = mutex.run('a', () => Promise.reject(new Error('broken')));
    const next = mutex.run('a', async () => 2);
    await expect(failed).rejects.toThrow('broken');
    expect(await next).toBe(2);
    expect(await mutex.run('a', async () => 3)).toBe(3);
  });
});
