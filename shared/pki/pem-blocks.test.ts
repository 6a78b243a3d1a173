import { describe, expect, it } from 'vitest';
import { pemBlocks } from './pem-blocks.ts';

const block = (type: string, content = 'QUFB\n') => `-----BEGIN ${type}-----\n${content}-----END ${type}-----`;

describe('blocks of PEM', () => {
  it('are found in order, with whatever stands between them', () => {
    const text = `before\n${block('CERTIFICATE')}\nbetween ----- \n${block('EC PRIVATE KEY', 'a: b\n\n')}\r\nafter`;
    expect([...pemBlocks(text)]).toEqual([
      { type: 'CERTIFICATE', content: 'QUFB\n', text: block('CERTIFICATE') },
      { type: 'EC PRIVATE KEY', content: 'a: b\n\n', text: block('EC PRIVATE KEY', 'a: b\n\n') },
    ]);
    expect([...pemBlocks(`-----BEGIN A-----\r\nx-----END A-----`)]).toMatchObject([{ type: 'A', content: 'x' }]);
  });

  it('end by their own type', () => {
    expect([...pemBlocks(`-----BEGIN A-----\nx\n-----END B-----\n${block('C')}`)]).toMatchObject([{ type: 'C' }]);
    for (const none of [
      '',
      '-----BEGIN A-----',
      '-----BEGIN -----\n-----END -----',
      '-----BEGIN a-----\n-----END a-----',
    ]) {
      expect([...pemBlocks(none)]).toEqual([]);
    }
  });

  it('are not looked for again and again in a text of beginnings, or of ends', () => {
    for (const line of [
      '-----BEGIN A-----\n',
      '-----BEGIN A\n',
      '-----BEGIN A-----\n-----END B-----\n',
      '-----END A-----\n',
    ]) {
      expect([...pemBlocks(line.repeat(200_000))]).toEqual([]);
    }
    expect([...pemBlocks(`-----BEGIN ${'A'.repeat(3_000_000)}`)]).toEqual([]);
  }, 10_000);
});
