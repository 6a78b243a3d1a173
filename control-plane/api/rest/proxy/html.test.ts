import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { rewriteLinks } from './html.ts';

const seen = (link: string): string => (link.startsWith('/') ? `/p${link}` : link);

async function rewrite(page: string, pieces = page.length): Promise<string> {
  const bytes = Buffer.from(page);
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieces) chunks.push(bytes.subarray(at, at + pieces));
  return Buffer.concat(await Readable.from(chunks).pipe(rewriteLinks(seen)).toArray()).toString();
}

const page = `<!DOCTYPE html>
<!-- <a href="/comment"> --><HTML><head><title><a href="/title"></title>
<link rel=stylesheet href=/a.css><script src='/a.js' async>if (a < b) x = '<a href="/script">';</SCRIPT>
<style>a { background: url(/style.png) }</style></head>
<body class="ä 3 < 4"><A title="a > b" HREF = "/one?a=1&amp;b=/2">x</A><a href="two" data-href="/no">y</a>
<img alt=/no src=/img.png /><form action="/post" method=post><button formaction='/b'></form><p cite="/no">
<textarea><a href="/text"></textarea><a name href=/last>`;
const through = page
  .replace('href=/a.css', 'href=/p/a.css')
  .replace("'/a.js'", "'/p/a.js'")
  .replace('"/one?', '"/p/one?')
  .replace('src=/img.png', 'src=/p/img.png')
  .replace('"/post"', '"/p/post"')
  .replace("'/b'", "'/p/b'")
  .replace('href=/last', 'href=/p/last');

test.each([1, 2, 3, 7, 64, 10_000])(
  'links of elements are rewritten, and nothing else, in pieces of %i bytes',
  async (n) => {
    expect(await rewrite(page, n)).toBe(through);
  },
);

test.each([
  '',
  '<',
  '<!',
  '<!--',
  '<a',
  '<a href',
  '<a href="/x',
  '<script>',
  '<script><a href="/x">',
  'a < b',
  '<<<>',
])('an incomplete end is passed on: %s', async (text) => {
  expect(await rewrite(text)).toBe(text);
  expect(await rewrite(text, 1)).toBe(text);
});

test('an element may have any name', async () => {
  const odd = ['constructor', 'toString', '__proto__', 'hasOwnProperty'];
  const text = odd.map((name) => `<${name} href="/x" length="/y">`).join('');
  expect(await rewrite(`${text}<a constructor="/x" href="/y">`)).toBe(`${text}<a constructor="/x" href="/p/y">`);
});

test('a tag that is too long stays as it is, and later ones are rewritten', async () => {
  const long = `<a title="${'x'.repeat(40_000)}" href="/x">`;
  expect(await rewrite(`${long}<a href="/y">`, 1_000)).toBe(`${long}<a href="/p/y">`);
});

test.each(['<a ', '<a<a', '<script></script>', '<!---->', '<a href="/', '</a '])(
  'a page of nothing but %s takes time in proportion to its length',
  async (part) => {
    const started = performance.now();
    const text = part.repeat(400_000);
    expect((await rewrite(text, 65_536)).length).toBeGreaterThanOrEqual(text.length);
    expect(performance.now() - started).toBeLessThan(4_000);
  },
);
