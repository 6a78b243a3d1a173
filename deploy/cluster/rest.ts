import { Agent, request } from 'node:https';

/** A minimal client of the Kubernetes API with a client certificate, for this tool and the demo. */
export interface RestApi {
  /** Rejects with RestError when the answer is not 2xx, and with the connection's error. */
  call<T>(method: string, path: string, body?: unknown): Promise<T>;
  close(): void;
}

export class RestError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'RestError';
    this.status = status;
  }
}

export interface RestOptions {
  /** `https://10.128.0.10:6443` */
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly timeoutMs?: number;
}

const maxAnswerBytes = 64 << 20;

export function restApi({ url, ca, cert, key, timeoutMs = 10_000 }: RestOptions): RestApi {
  const agent = new Agent({ keepAlive: true, ca, cert, key, maxSockets: 16 });
  return {
    call: (method, path, body) =>
      new Promise((resolve, reject) => {
        const text = body === undefined ? undefined : JSON.stringify(body);
        const headers = {
          accept: 'application/json',
          ...(text === undefined
            ? {}
            : { 'content-type': contentType(method), 'content-length': Buffer.byteLength(text) }),
        };
        const req = request(
          new URL(path, url),
          { agent, method, headers, signal: AbortSignal.timeout(timeoutMs) },
          (res) => {
            const parts: Buffer[] = [];
            let size = 0;
            res.on('data', (part: Buffer) => {
              size += part.length;
              if (size > maxAnswerBytes) req.destroy(new Error(`${path}: the answer is too long`));
              else parts.push(part);
            });
            res.on('error', reject);
            res.on('end', () => {
              const answer = Buffer.concat(parts).toString();
              const status = res.statusCode ?? 0;
              if (status >= 200 && status < 300) resolve(parse(answer));
              else reject(new RestError(status, `${method} ${path}: ${status} ${messageOf(answer)}`));
            });
          },
        );
        req.on('error', reject);
        req.end(text);
      }),
    close: () => agent.destroy(),
  };
}

function contentType(method: string): string {
  return method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
}

/** Health endpoints answer in plain text. */
function parse<T>(answer: string): T {
  return (/^[{[]/.test(answer) ? JSON.parse(answer) : answer) as T;
}

function messageOf(answer: string): string {
  try {
    return (JSON.parse(answer) as { message?: string }).message ?? answer;
  } catch {
    return answer.slice(0, 500);
  }
}
