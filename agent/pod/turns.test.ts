import { describe, expect, it } from 'vitest';
import { Turns } from './turns.ts';

describe('turns', () => {
  it('runs the work of one key in order, one at a time, and that of another beside it', async () => {
    const turns = new Turns();
    const order: string[] = [];
    let open: () => void = () => undefined;
    const first = turns.take('a', async () => {
      order.push('a1 begins');
      await new Promise<void>((resolve) => {
        open = resolve;
      });
      order.push('a1 ends');
    });
    const second = turns.take('a', async () => void order.push('a2'));
    await turns.take('b', async () => void order.push('b'));
    expect(order).toEqual(['a1 begins', 'b']);
    open();
    await Promise.all([first, second]);
    expect(order).toEqual(['a1 begins', 'b', 'a1 ends', 'a2']);
  });

  it('hands each its own result, and goes on after a failure', async () => {
    const turns = new Turns();
    const failed = turns.take('a', () => Promise.reject(new Error('broken')));
    const next = turns.take('a', async () => 2);
    await expect(failed).rejects.toThrow('broken');
    expect(await next).toBe(2);
    expect(await turns.take('a', async () => 3)).toBe(3);
  });
});
