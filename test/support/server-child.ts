import { runServer, type ServerOptions } from '../../control-plane/main.ts';

/**
 * A whole server in a process of its own; its options are JSON in the first argument. It ends by SIGTERM. A message
 * `{ busyMs }` makes its thread compute for so long, as a request without bounds would.
 */
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
process.on('message', ({ busyMs }: { busyMs: number }) => {
  const end = performance.now() + busyMs;
  while (performance.now() < end);
});
process.channel?.unref();
await runServer(JSON.parse(process.argv[2] ?? '{}') as ServerOptions, stop.signal);
