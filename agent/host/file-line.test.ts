import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatResolvConf } from '../dns/pod-dns.ts';
import { hostsFile } from '../volumes/hosts-file.ts';
import { fileLine } from './file-line.ts';

const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .tuple(fc.constantFrom('10.0.0.1', 'a.b', 'ndots:2'), fc.constantFrom('\n10.0.0.9 api', '\r', ' x', '#', '', '\0'))
    .map((parts) => parts.join('')),
);

it('a line of words is one line of as many words, or is refused', () => {
  expect(fileLine(['10.0.0.1', 'a', 'b'], '\t')).toBe('10.0.0.1\ta\tb\n');
  for (const word of ['', 'a b', 'a\n', '#a', ';a', '\u00e9'])
    expect(() => fileLine([word], ' ')).toThrow('cannot stand');
  fc.assert(
    fc.property(fc.array(hostile, { minLength: 1, maxLength: 4 }), (words) => {
      let text: string;
      try {
        text = fileLine(words, ' ');
      } catch {
        return;
      }
      expect(text.endsWith('\n') && text.indexOf('\n') === text.length - 1).toBe(true);
      expect(text.trimEnd().split(/\s+/)).toEqual(words);
    }),
  );
});

it('a resolver file has only the lines that its settings make', () => {
  fc.assert(
    fc.property(
      fc.array(hostile, { maxLength: 3 }),
      fc.array(hostile, { maxLength: 3 }),
      fc.array(hostile, { maxLength: 3 }),
      (servers, searches, options) => {
        let text: string;
        try {
          text = formatResolvConf({ servers, searches, options });
        } catch {
          return;
        }
        const lines = text.split('\n').filter((line) => line !== '');
        expect(lines.length).toBe(servers.length + Math.min(1, searches.length) + Math.min(1, options.length));
      },
    ),
  );
});

it('a hosts file has one line for each alias, or is refused', async () => {
  const pod = (aliases: object[]) =>
    ({ metadata: { name: 'a', namespace: 'n' }, spec: { containers: [], hostAliases: aliases } }) as never;
  const plain = (await hostsFile(pod([]), '10.0.0.1')).split('\n').length;
  const good = await hostsFile(pod([{ ip: '10.0.0.2', hostnames: ['b', 'c'] }]), '10.0.0.1');
  expect(good.split('\n').length).toBe(plain + 3);
  await expect(hostsFile(pod([{ ip: '10.0.0.2', hostnames: ['b\n10.0.0.9\tapi'] }]), '10.0.0.1')).rejects.toThrow(
    'cannot stand',
  );
  await expect(hostsFile(pod([]), '10.0.0.1\n10.0.0.9')).rejects.toThrow('cannot stand');
});
