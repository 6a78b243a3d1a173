import type { Status, StatusCause } from '../../../shared/generated/types.ts';
import type { TunnelFrame } from '../../../shared/session.ts';

/** The channels that a node writes: standard output, standard error, and the Status at the end. */
const [output, statusChannel] = [[1, 2], 3] as const;
/** The longest texts of a node's Status, in characters, and the most causes. */
const maxMessage = 16_384;
const maxWord = 256;
const maxCauses = 16;

/**
 * The frames of a tunnel for a request: without channels that a node does not write, and with a well-formed Status of bounded size.
 */
export async function* checkedFrames(incoming: AsyncIterable<TunnelFrame>): AsyncGenerator<TunnelFrame> {
  for await (const frame of incoming) {
    if (frame.channel === statusChannel && frame.data.length > 0) {
      yield { ...frame, data: Buffer.from(JSON.stringify(readStatus(frame.data))) };
    } else if (frame.channel === statusChannel || output.some((channel) => channel === frame.channel)) {
      yield frame;
    }
  }
}

/** The Status that a node sent, or a Failure if it cannot be read. */
export function readStatus(data: Uint8Array): Status {
  const sent = fieldsOf(parsed(data));
  const outcome = sent.status === 'Success' ? 'Success' : 'Failure';
  const { reason, message, code, details } = sent;
  if (outcome === 'Failure' && typeof message !== 'string') {
    return { ...status('Failure'), message: 'the node ended the stream with an error that cannot be read' };
  }
  return {
    ...status(outcome),
    ...text('message', message, maxMessage),
    ...text('reason', reason, maxWord),
    ...(details ? { details: detailsOf(fieldsOf(details)) } : {}),
    ...(Number.isInteger(code) && (code as number) >= 0 && (code as number) < 600 ? { code: code as number } : {}),
  };
}

function status(outcome: 'Success' | 'Failure'): Status {
  return { apiVersion: 'v1', kind: 'Status', metadata: {}, status: outcome } as Status;
}

function detailsOf({ name, kind, group, causes }: Record<string, unknown>): NonNullable<Status['details']> {
  const list = (Array.isArray(causes) ? causes : []).slice(0, maxCauses).map((cause): StatusCause => {
    const { reason, message, field } = fieldsOf(cause);
    return {
      ...text('reason', reason, maxWord),
      ...text('message', message, maxMessage),
      ...text('field', field, maxWord),
    };
  });
  return {
    ...text('name', name, maxWord),
    ...text('kind', kind, maxWord),
    ...text('group', group, maxWord),
    ...(list.length > 0 ? { causes: list } : {}),
  };
}

function text<K extends string>(key: K, value: unknown, most: number): Partial<Record<K, string>> {
  return typeof value === 'string' ? ({ [key]: value.slice(0, most) } as Record<K, string>) : {};
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function parsed(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString());
  } catch {
    return undefined;
  }
}
