import { describe, expect, it } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { interruptible, storyOn } from './story.ts';

describe('a story', () => {
  const told = (interactive: boolean) => {
    const parts: string[] = [];
    const clock = new VirtualClock();
    const story = storyOn({ interactive, columns: 80, write: (part) => void parts.push(part) }, clock);
    return { story, text: () => parts.join('') };
  };

  it('writes a line a step, with its time, and no control characters where there is no terminal', async () => {
    const { story, text } = told(false);
    await story.step('the sun rises', async () => ({ result: 1, remark: 'in the east' }));
    expect(text()).toMatch(/^ {2}✔ the sun rises +0\.00 s\n {6}in the east\n$/);
  });

  it('shows a step that lasts on a terminal, and clears it away', async () => {
    const { story, text } = told(true);
    await story.step('the sun rises', async () => {
      expect(text()).toContain('… the sun rises');
      return { result: 1 };
    });
    expect(text()).toContain('\r\x1b[K');
  });

  it('ends with the step that did not hold', async () => {
    const { story, text } = told(false);
    const step = story.step('it rains', () => Promise.reject(new Error('dry')));
    await expect(step).rejects.toThrow('dry');
    expect(text()).toContain('✘ it rains');
  });
});

describe('an interruptible clock', () => {
  it('wakes its sleepers with the reason of the interruption', async () => {
    const interrupt = new AbortController();
    const sleeping = interruptible(systemClock, interrupt.signal).sleep(60_000);
    interrupt.abort(new Error('interrupted'));
    await expect(sleeping).rejects.toThrow('interrupted');
  });
});
