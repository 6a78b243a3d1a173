import { createGzip } from 'node:zlib';
import { stringify as toYaml } from 'yaml';
import { aside } from '../../../../shared/aside.ts';
import type { Clock } from '../../../../shared/clock.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { packedBytes } from '../../../store/cache/packed.ts';
import { contentTypes, type Encoding } from '../encoding/negotiate.ts';
import { encodeItem, frameList } from '../encoding/protobuf.ts';
import { type Chunk, joined, jsonParts, jsonText, yamlText } from '../encoding/texts.ts';
import { drained } from './drain.ts';
import { gzipOptions, headersOf, type Reply, sendBody, sendObject } from './respond.ts';

/** The characters or bytes that are written before other requests are served; block YAML is slow. */
const pieceLength: Readonly<Record<Encoding, number>> = { json: 128 * 1024, yaml: 32 * 1024, protobuf: 128 * 1024 };
/** A longer list in protobuf is encoded twice, first for its lengths, so that it is never held whole. */
const maxHeld = 8 * 1024 * 1024;

/** The frame of a list, the name of its items' field, and the form of each item; absent: the item itself. */
export interface ListForm {
  readonly head: object;
  readonly field: string;
  readonly shape?: (item: KubeObject) => object;
}

/**
 * Sends a list in pieces, each encoded when the client has read the one before, so that a large list neither fills the memory nor
 * blocks other requests. The items are those of one revision, as stored objects never change.
 */
export async function sendList(
  reply: Reply,
  clock: Clock,
  form: ListForm,
  items: readonly KubeObject[],
): Promise<void> {
  const { encoding } = reply.format;
  if (items.length === 0 && encoding !== 'protobuf') {
    return sendObject(reply, 200, { ...form.head, [form.field]: [] });
  }
  const pieces = encoding === 'protobuf' ? protobufPieces(reply, form, items) : textPieces(reply, form, items);
  const first = await pieces.next();
  const second = first.done ? first : await pieces.next();
  const begin = first.done ? '' : first.value;
  if (second.done) return sendBody(reply, 200, contentTypes[encoding], begin);
  await stream(reply, clock, begin, second.value, pieces);
}

async function stream(
  reply: Reply,
  clock: Clock,
  first: Chunk,
  second: Chunk,
  rest: AsyncGenerator<Chunk>,
): Promise<void> {
  const { response, context, gzip, format } = reply;
  const { signal } = context;
  const headers = headersOf(reply, contentTypes[format.encoding]);
  if (gzip) Object.assign(headers, { 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' });
  response.writeHead(200, headers);
  const out = gzip ? createGzip(gzipOptions) : response;
  if (out !== response) out.pipe(response);
  const write = async (piece: Chunk): Promise<void> => {
    signal.throwIfAborted();
    if (!out.write(piece)) await drained({ response, clock, signal }, out);
    await aside();
  };
  await write(first);
  await write(second);
  for await (const piece of rest) await write(piece);
  out.end();
}

async function* textPieces(
  { format, pretty }: Reply,
  { head, field, shape = (item) => item }: ListForm,
  items: readonly KubeObject[],
): AsyncGenerator<Chunk> {
  const yaml = format.encoding === 'yaml';
  const most = pieceLength[format.encoding];
  const separator = pretty ? ',\n' : ',';
  const begin = JSON.stringify(head, null, pretty ? 2 : undefined);
  let waiting: Chunk[] = [
    yaml
      ? `${toYaml(head)}${field}:\n`
      : pretty
        ? `${begin.slice(0, -2)},\n  "${field}": [\n`
        : `${begin.slice(0, -1)},"${field}":[`,
  ];
  let length = 0;
  for (const [index, item] of items.entries()) {
    const shown = shape(item);
    if (yaml) {
      waiting.push(indented(yamlText(shown, jsonText(shown)), '  ').replace(/^ /, '-'));
    } else {
      if (index > 0) waiting.push(separator);
      if (pretty) waiting.push(indented(JSON.stringify(shown, null, 2), '    '));
      else waiting.push(...jsonParts(shown));
    }
    length += (waiting.at(-1) ?? '').length + (shown === item ? 0 : packedBytes(item));
    if (length < most) continue;
    yield joined(waiting);
    waiting = [];
    length = 0;
  }
  if (!yaml) waiting.push(pretty ? '\n  ]\n}\n' : ']}\n');
  if (waiting.length > 0) yield joined(waiting);
}

/** Indents every line that is not empty. */
function indented(text: string, by: string): string {
  return text.replace(/^(?=.)/gm, by);
}

async function* protobufPieces(
  { context: { signal } }: Reply,
  { head, shape = (item) => item }: ListForm,
  items: readonly KubeObject[],
): AsyncGenerator<Chunk> {
  const sizes: number[] = [];
  // The parts of a protobuf message begin with their length, so all lengths are needed first.
  let held: Uint8Array[] | undefined = [];
  let total = 0;
  let since = 0;
  for (const item of items) {
    const made = encodeItem(shape(item));
    sizes.push(made.length);
    total += made.length;
    since += made.length + packedBytes(item);
    held = total > maxHeld ? undefined : held;
    held?.push(made);
    if (since < pieceLength.protobuf) continue;
    since = 0;
    await aside();
    signal.throwIfAborted();
  }
  const frame = frameList(head, sizes);
  let waiting: Uint8Array[] = [frame.begin];
  let length = 0;
  for (const [index, item] of items.entries()) {
    const made = held?.[index] ?? encodeItem(shape(item));
    waiting.push(frame.before(made.length), made);
    length += made.length;
    if (length < pieceLength.protobuf) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    length = 0;
  }
  yield Buffer.concat([...waiting, frame.end]);
}
