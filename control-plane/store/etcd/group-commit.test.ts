import { describe, expect, it } from 'vitest';
import { ApiError, type Reason } from '../../../shared/errors.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import type { Txn, TxnResult } from '../store.ts';
import { GroupCommit } from './group-commit.ts';

const put = (key: string): Txn => ({ guards: [], writes: [{ type: 'put', key, value: '' }] });
const keysOf = (txns: readonly Txn[]): string => txns.flatMap(({ writes }) => writes.map(({ key }) => key)).join(' ');

/** A call to the store that the test answers. */
interface Call {
  readonly keys: string;
  readonly timeoutMs: number;
  answer(): void;
  fail(error: Error): void;
}

function setup() {
  const clock = new VirtualClock();
  const calls: Call[] = [];
  let revision = 0;
  const commits = new GroupCommit({ clock, timeoutMs: 5_000 }, (txns, timeoutMs) => {
    return new Promise((resolve, reject) => {
      const answer = () => {
        revision++;
        resolve(txns.map((): TxnResult => ({ ok: true, revision })));
      };
      calls.push({ keys: keysOf(txns), timeoutMs, answer, fail: reject });
    });
  });
  /** How each transaction came out: its revision, or why it was refused. */
  const outcomes = new Map<string, number | Reason | string>();
  const submit = (...keys: string[]): void => {
    for (const key of keys) {
      commits.submit(put(key)).then(
        (result) => outcomes.set(key, result.revision),
        (error: unknown) => outcomes.set(key, error instanceof ApiError ? error.reason : String(error)),
      );
    }
  };
  const call = (index: number): Call => calls[index] as Call;
  return { clock, calls, call, submit, commits, outcomes, settle: () => clock.advance(0) };
}

const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe('group commit', () => {
  it('sends a single transaction immediately, and two calls at a time', async () => {
    const { submit, calls, outcomes, call, settle } = setup();
    submit('a', 'b', 'c');
    expect(calls.map(({ keys }) => keys)).toEqual(['a', 'b']);
    call(1).answer();
    await settle();
    expect([outcomes.get('b'), call(2).keys, calls.length]).toEqual([1, 'c', 3]);
    call(0).answer();
    call(2).answer();
    await settle();
    submit('d');
    expect(call(3).keys).toBe('d');
  });

  it('sends pending transactions together, in order, each with its own answer', async () => {
    const { submit, calls, outcomes, call, settle } = setup();
    submit('a', 'b', 'c', 'd', 'e');
    call(0).answer();
    await settle();
    expect(calls.map(({ keys }) => keys)).toEqual(['a', 'b', 'c d e']);
    call(2).answer();
    await settle();
    expect(['c', 'd', 'e', 'b'].map((key) => outcomes.get(key))).toEqual([2, 2, 2, undefined]);
  });

  it('sends at most 64 together, and none that touches the keys of another', async () => {
    const { submit, calls, call, settle } = setup();
    submit('a', 'b', ...names('k', 70));
    call(0).answer();
    await settle();
    expect(call(2).keys).toBe(names('k', 64).join(' '));
    call(1).answer();
    await settle();
    expect(call(3).keys).toBe('k64 k65 k66 k67 k68 k69');
    submit('x', 'y', 'x');
    call(2).answer();
    await settle();
    call(3).answer();
    await settle();
    expect(calls.slice(4).map(({ keys }) => keys)).toEqual(['x y', 'x']);
  });

  it('gives a call the remaining time of its oldest transaction, and at least a second', async () => {
    const { clock, submit, call, settle } = setup();
    submit('a', 'b');
    expect(call(0).timeoutMs).toBe(5_000);
    submit('c');
    await clock.advance(1_000);
    submit('d');
    call(0).answer();
    await settle();
    expect([call(2).keys, call(2).timeoutMs]).toEqual(['c d', 4_000]);
    submit('e');
    await clock.advance(4_999);
    call(1).answer();
    await settle();
    expect([call(3).keys, call(3).timeoutMs]).toEqual(['e', 1_000]);
  });

  it('does not send a transaction after its deadline: it is refused with Timeout, and was not made', async () => {
    const { clock, submit, calls, call, outcomes, settle } = setup();
    submit('a', 'b', 'late');
    await clock.advance(5_000);
    submit('young');
    call(0).answer();
    await settle();
    expect([call(2).keys, outcomes.get('late')]).toEqual(['young', 'Timeout']);
    submit('late too');
    await clock.advance(6_000);
    call(1).answer();
    call(2).answer();
    await settle();
    expect([calls.length, outcomes.get('late too')]).toEqual([3, 'Timeout']);
    submit('next');
    expect(call(3).keys).toBe('next');
  });

  it('refuses new transactions while ten thousand wait, and accepts them when there are fewer', async () => {
    const { submit, commits, call, settle, outcomes } = setup();
    submit('a', 'b', ...names('k', 10_000));
    await expect(commits.submit(put('one more'))).rejects.toMatchObject({ reason: 'TooManyRequests' });
    call(0).answer();
    await settle();
    submit('again');
    await settle();
    expect(outcomes.has('again')).toBe(false);
  });

  it.each(['NotFound', 'BadRequest', 'RequestEntityTooLarge', 'InsufficientStorage'] as const)(
    'sends each transaction alone when the store refused all because of one: %s',
    async (reason) => {
      const { submit, calls, call, outcomes, settle } = setup();
      submit('a', 'b', 'c', 'bad', 'd');
      call(0).answer();
      await settle();
      call(2).fail(new ApiError(reason, 'refused'));
      await settle();
      expect(calls.slice(3).map(({ keys }) => keys)).toEqual(['c', 'bad', 'd']);
      for (const one of calls.slice(3)) {
        if (one.keys === 'bad') one.fail(new ApiError(reason, 'refused'));
        else one.answer();
      }
      await settle();
      expect(['c', 'bad', 'd'].map((key) => outcomes.get(key))).toEqual([2, reason, 3]);
      expect(calls).toHaveLength(6);
    },
  );

  it.each(['ServiceUnavailable', 'Timeout', 'InternalError', 'TooManyRequests'] as const)(
    'does not retry transactions that may have been made or would be refused again: %s',
    async (reason) => {
      const { submit, calls, call, outcomes, settle } = setup();
      submit('a', 'b', 'c', 'd');
      call(0).answer();
      await settle();
      call(2).fail(new ApiError(reason, 'broken'));
      await settle();
      expect([outcomes.get('c'), outcomes.get('d'), calls.length]).toEqual([reason, reason, 3]);
      submit('e');
      expect(call(3).keys).toBe('e');
    },
  );

  it('returns the error of a single transaction, and continues with the next', async () => {
    const { submit, calls, call, outcomes, settle } = setup();
    submit('a', 'b', 'c');
    call(0).fail(new ApiError('NotFound', 'no such lease'));
    await settle();
    expect([outcomes.get('a'), call(2).keys, calls.length]).toEqual(['NotFound', 'c', 3]);
  });
});
