import { createInflate, type Inflate } from 'node:zlib';
import { compressionDictionary, dictionaryId } from './dictionary.ts';
import { SpdyError } from './error.ts';

/** Names in lower case. */
export type Headers = ReadonlyMap<string, string>;

/** The most bytes of an inflated header block, and the most headers in it: a stream of Kubernetes has three short ones. */
const maxBlock = 16 * 1024;
const maxHeaders = 100;

/**
 * Reads the header blocks of one connection in order: together they are one zlib stream. After an invalid block no later one can be
 * read.
 */
export class HeaderDecoder {
  #inflate: Inflate | undefined;

  /** Throws SpdyError. */
  async decode(block: Uint8Array): Promise<Headers> {
    return parseBlock(await this.#inflated(block));
  }

  /** Frees zlib's memory. */
  close(): void {
    this.#inflate?.destroy();
  }

  #inflated(block: Uint8Array): Promise<Buffer> {
    this.#inflate ??= createInflate({ dictionary: compressionDictionary() });
    const inflate = this.#inflate;
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const settle = (error?: Error): void => {
        inflate.off('data', onData).off('error', onError).off('end', onEnd);
        if (error) {
          inflate.on('error', () => undefined).destroy();
          reject(error);
        } else {
          resolve(Buffer.concat(chunks));
        }
      };
      const onData = (chunk: Buffer): void => {
        size += chunk.length;
        if (size > maxBlock) settle(new SpdyError(`a header block is longer than ${maxBlock} bytes`));
        else chunks.push(chunk);
      };
      const onError = (error: Error): void => settle(new SpdyError(`a header block is malformed: ${error.message}`));
      // The end of the zlib stream: nothing after it could be read.
      const onEnd = (): void => settle(new SpdyError('the stream of header blocks ended'));
      inflate.on('data', onData).on('error', onError).on('end', onEnd);
      inflate.write(block, (error) => {
        if (!error) settle();
      });
    });
  }
}

/**
 * Encodes header blocks. They are stored, not compressed (RFC 1951, section 3.2.4): any reader accepts that, and the few short headers
 * of a server need no compressor for each connection.
 */
export class HeaderEncoder {
  #first = true;

  encode(headers: Headers): Buffer {
    const block = serializeBlock(headers);
    const head = this.#first ? streamHead() : Buffer.alloc(0);
    this.#first = false;
    // An empty stored block marks a flush: some readers (Go's) yield nothing before it.
    return Buffer.concat([head, storedHead(block.length), block, storedHead(0)]);
  }
}

/** The begin of a stored block of so many bytes. */
function storedHead(length: number): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt16LE(length, 1);
  head.writeUInt16LE(~length & 0xffff, 3);
  return head;
}

/** The begin of a zlib stream (RFC 1950): deflate with a window of 32 KiB and a preset dictionary. */
function streamHead(): Buffer {
  const head = Buffer.from([0x78, 0xbb, 0, 0, 0, 0]);
  head.writeUInt32BE(dictionaryId, 2);
  return head;
}

function serializeBlock(headers: Headers): Buffer {
  const parts: Buffer[] = [uint32(headers.size)];
  for (const pair of headers) {
    for (const text of pair) {
      const bytes = Buffer.from(text);
      parts.push(uint32(bytes.length), bytes);
    }
  }
  const block = Buffer.concat(parts);
  if (block.length > maxBlock) throw new SpdyError(`a header block is longer than ${maxBlock} bytes`);
  return block;
}

function parseBlock(block: Buffer): Headers {
  let at = 0;
  const number = (): number => {
    if (at + 4 > block.length) throw new SpdyError('a header block is cut short');
    at += 4;
    return block.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = number();
    if (at + length > block.length) throw new SpdyError('a header block is cut short');
    at += length;
    return block.toString('utf8', at - length, at);
  };
  const count = number();
  if (count > maxHeaders) throw new SpdyError(`a header block has more than ${maxHeaders} headers`);
  const headers = new Map<string, string>();
  for (let i = 0; i < count; i++) headers.set(text().toLowerCase(), text());
  return headers;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
