import { runServer, type ServerOptions } from '../../control-plane/main.ts';

/** A whole server in a process of its own; its options are JSON in the first argument. It ends by SIGTERM. */
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
await runServer(JSON.parse(process.argv[2] ?? '{}') as ServerOptions, stop.signal);
