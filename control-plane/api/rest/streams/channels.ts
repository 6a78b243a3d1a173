import type { Status } from '../../../../shared/generated/types.ts';
import type { TunnelFrame } from '../../../../shared/session.ts';

/** What the numbers of channels mean in the tunnel, and in Kubernetes' subprotocols for exec and attach. */
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

/** What clients before version 4 are told of a Status: its message, when it is a failure. */
export function failureText(status: Uint8Array): string {
  const { status: outcome, message } = JSON.parse(Buffer.from(status).toString()) as Status;
  return outcome === 'Success' ? '' : (message ?? 'unknown error');
}

/** The longest size of a terminal that is waited for the end of. */
const maxResize = 1_024;

/** Reads the sizes of a terminal, one JSON object after the other, however they are cut into pieces. */
export class Resizes {
  #text = '';

  /** Those that are whole now, as frames. What is no size is left out. */
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

/** A terminal's side is 16 bits wide. */
function isCells(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff;
}
