import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';

/** Where a server's REST API is, and an administrator's certificate for it (PEM). */
export interface RestTarget {
  readonly url: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface LoadResult {
  /** From the first request to the last answer. */
  readonly seconds: number;
  /** Of each request, in milliseconds. */
  readonly latencies: number[];
}

const requestLimitMs = 30_000;

/** A client that does as little as it can: it shares the machine with what is measured. */
export class LoadClient {
  readonly #agent: Agent;
  readonly #url: URL;
  readonly #parallel: number;

  constructor({ url, ca, cert, key }: RestTarget, parallel: number) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: parallel + 4, ca, cert, key });
    this.#url = new URL(url);
    this.#parallel = parallel;
  }

  /** Posts all bodies to a path, so many at a time. Rejects with the first answer that is no 201. */
  async createAll(path: string, bodies: readonly Buffer[]): Promise<LoadResult> {
    const latencies: number[] = new Array(bodies.length).fill(0);
    let next = 0;
    const began = performance.now();
    const worker = async (): Promise<void> => {
      for (let i = next++; i < bodies.length; i = next++) {
        const sent = performance.now();
        await this.#post(path, bodies[i] as Buffer);
        latencies[i] = performance.now() - sent;
      }
    };
    await Promise.all(Array.from({ length: this.#parallel }, worker));
    return { seconds: (performance.now() - began) / 1000, latencies };
  }

  /** One request that is no part of a load. Rejects when the answer is no 2xx. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const data = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const response = await this.#send(method, path, data, type, requestLimitMs);
    const text = await textOf(response);
    const status = response.statusCode ?? 0;
    if (status < 200 || status >= 300) throw new Error(`${method} ${path}: ${status} ${text.slice(0, 500)}`);
    return JSON.parse(text) as T;
  }

  /**
   * Watches a collection from a revision and gives each event's line to `see`, which stops the watch by returning true.
   * Resolves when it is stopped, with the time of the event that stopped it (`performance.now()`).
   */
  async watch(path: string, resourceVersion: string, see: (line: string) => boolean | undefined): Promise<number> {
    const query = `watch=1&resourceVersion=${resourceVersion}&timeoutSeconds=600`;
    const response = await this.#send('GET', `${path}?${query}`, undefined, 'application/json', 0);
    if (response.statusCode !== 200) throw new Error(`the watch was refused: ${await textOf(response)}`);
    response.setEncoding('utf8');
    let rest = '';
    for await (const chunk of response as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('{"type":"ERROR"')) throw new Error(`the watch failed: ${line}`);
        if (!see(line)) continue;
        response.destroy();
        return performance.now();
      }
    }
    throw new Error('the watch ended too early');
  }

  close(): void {
    this.#agent.destroy();
  }

  async #post(path: string, body: Buffer): Promise<void> {
    const response = await this.#send('POST', path, body, 'application/json', requestLimitMs);
    if (response.statusCode !== 201) throw new Error(`POST ${path}: ${response.statusCode} ${await textOf(response)}`);
    await new Promise<void>((resolve, reject) => {
      response.once('end', resolve);
      response.once('error', reject);
      response.resume();
    });
  }

  #send(
    method: string,
    path: string,
    body: Buffer | undefined,
    type: string,
    timeoutMs: number,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          agent: this.#agent,
          host: this.#url.hostname,
          port: this.#url.port,
          method,
          path,
          ...(timeoutMs > 0 ? { timeout: timeoutMs } : {}),
          headers: body ? { 'content-type': type, 'content-length': body.length } : {},
        },
        resolve,
      );
      sent.once('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer within ${timeoutMs} ms`)));
      sent.once('error', reject);
      sent.end(body);
    });
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return text;
}
