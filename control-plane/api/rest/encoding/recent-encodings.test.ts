import { describe, expect, it } from 'vitest';
import { RecentEncodings } from './recent-encodings.ts';

describe('recent encodings', () => {
  it('encodes an object once in each form', () => {
    const encodings = new RecentEncodings();
    const object = {};
    let made = 0;
    const get = (form: string) => encodings.get(object, form, () => `${form} ${++made}`);
    expect([get('json'), get('json'), get('protobuf'), get('json'), get('protobuf')]).toEqual([
      'json 1',
      'json 1',
      'protobuf 2',
      'json 1',
      'protobuf 2',
    ]);
    expect(encodings.get({}, 'json', () => 'another')).toBe('another');
  });

  it('keeps a bounded amount', () => {
    const encodings = new RecentEncodings();
    const objects = Array.from({ length: 100 }, () => ({}));
    const made = new Map<object, number>();
    const get = (object: object) =>
      encodings.get(object, 'json', () => {
        made.set(object, (made.get(object) ?? 0) + 1);
        return 'x'.repeat(100_000);
      });
    for (const object of objects) get(object);
    for (const object of objects.slice(-9)) get(object);
    for (const object of objects.slice(0, 50)) get(object);
    expect(objects.map((object) => made.get(object))).toEqual([...Array(50).fill(2), ...Array(50).fill(1)]);
    expect(encodings.get({}, 'json', () => 'x'.repeat(5_000_000))).toHaveLength(5_000_000);
  });
});
