import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../../shared/object.ts';
import { lastApplied, withLastApplied } from './last-applied.ts';

const object = (annotations?: Record<string, string>): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'a', ...(annotations ? { annotations } : {}) } as KubeObject['metadata'],
});
const noteOf = (made: KubeObject) => made.metadata.annotations?.[lastApplied];

describe('the note of what was applied last', () => {
  it('is brought to the configuration, as kubectl writes it: members by name, a line’s end, and not itself', () => {
    const config = {
      metadata: { name: 'a', annotations: { [lastApplied]: 'old', b: '2' } },
      kind: 'ConfigMap',
      data: { z: [{ y: 1, x: null }], a: '' },
    };
    const before = JSON.stringify(config);
    const made = withLastApplied(object({ [lastApplied]: '{}', other: 'x' }), config);
    expect(noteOf(made)).toBe(
      '{"data":{"a":"","z":[{"x":null,"y":1}]},"kind":"ConfigMap","metadata":{"annotations":{"b":"2"},"name":"a"}}\n',
    );
    expect(made.metadata).toMatchObject({ name: 'a', annotations: { other: 'x' } });
    expect(JSON.stringify(config)).toBe(before);
    expect(noteOf(withLastApplied(object({ [lastApplied]: '{}' }), { kind: 'X' }))).toBe('{"kind":"X"}\n');
    const bare = { metadata: { name: 'a' } };
    expect(noteOf(withLastApplied(object({ [lastApplied]: '{}' }), bare))).toBe('{"metadata":{"name":"a"}}\n');
  });

  it('is not made where there is none', () => {
    const unnoted: (Record<string, string> | undefined)[] = [undefined, {}, { other: 'x' }, { [lastApplied]: '' }];
    for (const annotations of unnoted) {
      const given = object(annotations);
      expect(withLastApplied(given, { kind: 'X' })).toBe(given);
    }
  });

  it('goes when the annotations would have more than 256 KiB in all', () => {
    const text = (bytes: number) => ({ a: 'x'.repeat(bytes) });
    const frame = `{"a":""}\n`.length + lastApplied.length + 'other'.length + 'é'.length * 2;
    const given = object({ [lastApplied]: '{}', other: 'é' });
    const most = 256 * 1024 - frame;
    expect(noteOf(withLastApplied(given, text(most)))).toHaveLength(most + 9);
    const made = withLastApplied(given, text(most + 1));
    expect(made.metadata.annotations).toEqual({ other: 'é' });
  });
});
