import type { Status } from '../../../../shared/generated/types.ts';
import type { TunnelFrame } from '../../../../shared/session.ts';

/** The numbers of the channels, in the tunnel and in Kubernetes' subprotocols for exec and attach. */
export const channels = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4 } as const;

export function frame(channel: number, data: Uint8Array, end = false): TunnelFrame {
  return { channel, data, end };
}

export function statusFrame(status: Status): TunnelFrame {
  return frame(channels.status, Buffer.from(JSON.stringify(status)), true);
}

export function endFrame(channel: number): TunnelFrame {
  return frame(channel, new Uint8Array(0), true);
}

/** The form of a Status for clients before version 4: the message of a failure. */
export function failureText(status: Uint8Array): string {
  const { status: outcome, message } = JSON.parse(Buffer.from(status).toString()) as Status;
  return outcome === 'Success' ? '' : (message ?? 'unknown error');
}

/** The longest incomplete terminal size, in characters. */
const maxResize = 1_024;

/** Reads terminal sizes: JSON objects one after the other, in chunks of any size. */
export class Resizes {
  #text = '';

  /** The sizes that are complete, as frames. Invalid ones are left out. */
  *push(data: Uint8Array): Generator<TunnelFrame> {
    this.#text += Buffer.from(data).toString('latin1');
    for (let end = this.#text.indexOf('}'); end >= 0; end = this.#text.indexOf('}')) {
      const size = sizeOf(this.#text.slice(0, end + 1));
      this.#text = this.#text.slice(end + 1);
      if (size) yield frame(channels.resize, Buffer.from(JSON.stringify(size)));
    }
    if (this.#text.length > maxResize) this.#text = '';
  }
}

function sizeOf(text: string): { Width: number; Height: number } | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { Width, Height } = (parsed ?? {}) as { Width?: unknown; Height?: unknown };
  return isCells(Width) && isCells(Height) ? { Width, Height } : undefined;
}

/** Rows and columns have 16 bits. */
function isCells(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff;
}
