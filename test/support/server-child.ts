import { runServer, type ServerOptions } from '../../control-plane/main.ts';
import { LoopPauses } from './loop-pauses.ts';

/**
 * A whole server in a process of its own; its options are JSON in the first argument. It ends by SIGTERM. A message
 * `{ busyMs }` makes its thread compute for so long, as a request without bounds would; `pause` is answered with the longest
 * pause of its loop since the `pause` before.
 */
const stop = new AbortController();
let pauses: LoopPauses | undefined;
process.once('SIGTERM', () => stop.abort());
process.on('message', (message: { busyMs: number } | 'pause') => {
  if (message === 'pause') {
    pauses ??= new LoopPauses();
    process.send?.(pauses.take());
    return;
  }
  const end = performance.now() + message.busyMs;
  while (performance.now() < end);
});
process.channel?.unref();
await runServer(JSON.parse(process.argv[2] ?? '{}') as ServerOptions, stop.signal);
