import { RuntimeError, type RuntimeEvent } from '../runtime.ts';
import { type Engine, toRuntimeError } from './engine.ts';
import { podUidOf, scopeFilter } from './labels.ts';

const types: Readonly<Record<string, RuntimeEvent['type']>> = {
  start: 'started',
  die: 'exited',
  oom: 'oom',
  destroy: 'removed',
};

/** The most characters of a message. */
const maxLine = 1 << 20;

interface Message {
  readonly Action?: string;
  readonly Actor?: { readonly ID?: string; readonly Attributes?: Readonly<Record<string, string>> };
}

/** The engine's events of the containers of one scope, from now on. */
export async function* engineEvents(engine: Engine, scope: string, signal: AbortSignal): AsyncIterable<RuntimeEvent> {
  const filters = { type: ['container'], event: Object.keys(types), label: [scopeFilter(scope)] };
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) return;
    const stream = await engine.stream('open events', '/events?', { filters }, stop.signal);
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of stream) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > maxLine) throw new RuntimeError('Unavailable', 'the engine sent an event without end');
      for (const line of lines) {
        const event = line.trim() === '' ? undefined : runtimeEvent(JSON.parse(line));
        if (event) yield event;
      }
    }
    throw new RuntimeError('Unavailable', 'the engine ended its stream of events');
  } catch (error) {
    if (signal.aborted) return;
    throw toRuntimeError('read events', error);
  } finally {
    signal.removeEventListener('abort', onAbort);
    stop.abort();
  }
}

function runtimeEvent({ Action, Actor }: Message): RuntimeEvent | undefined {
  const type = types[Action ?? ''];
  if (!type || !Actor?.ID) return undefined;
  return { type, containerId: Actor.ID, podUid: podUidOf(Actor.Attributes ?? {}) };
}
