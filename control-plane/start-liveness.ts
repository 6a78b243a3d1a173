import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { systemClock as clock, processMonotonic } from '../shared/clock.ts';
import { ThreadClient } from './liveness/thread-client.ts';
import { SharedTimes } from './liveness/thread-messages.ts';
import type { LivenessThreadData } from './liveness-thread.ts';
import type { ObserveStore } from './store/metrics.ts';

/** Megabytes; several hundred nodes use a tenth of it. */
const resourceLimits = { maxOldGenerationSizeMb: 128 };
/** The thread makes little garbage. V8 reads the flag when it creates a heap, so the main thread's is not affected. */
const smallNursery = '--max-semi-space-size=1';

export interface LivenessThread extends ThreadClient {
  /** Stops the leases, then ends the thread. */
  stop(): Promise<void>;
}

/**
 * Starts the liveness thread. `failed` is called if it exits: without it this server has no leases, so it must be restarted.
 */
export function startLiveness(
  data: Omit<LivenessThreadData, 'times'>,
  { failed, observe }: { failed: (error: Error) => void; observe: ObserveStore },
): LivenessThread {
  const times = new SharedTimes();
  times.mainAliveAt = processMonotonic();
  setFlagsFromString(smallNursery);
  const workerData: LivenessThreadData = { ...data, times: times.buffer };
  const worker = startWorker('liveness-thread', { name: 'liveness', workerData, resourceLimits });
  // The thread does not keep the process running.
  worker.unref();
  let stopping = false;
  const client = new ThreadClient({ port: worker, times, now: processMonotonic, clock, failed, observe });
  const died = (error: Error): void => {
    client.end();
    if (!stopping) failed(error);
    stopping = true;
  };
  worker.on('error', (cause) => died(new Error('the liveness thread has failed', { cause })));
  worker.on('exit', (code) => died(new Error(`the liveness thread has ended with code ${code}`)));
  const stop = client.stop.bind(client);
  return Object.assign(client, {
    async stop() {
      stopping = true;
      await stop();
      await worker.terminate();
    },
  });
}

/** A thread that runs a module beside this one. */
function startWorker(module: string, options: WorkerOptions): Worker {
  const extension = extname(fileURLToPath(import.meta.url));
  const url = new URL(`./${module}${extension}`, import.meta.url);
  if (extension !== '.ts') return new Worker(url, options);
  // From sources, as in tests: Node 20 accepts no loader for the first module of a thread.
  const loader = createRequire(import.meta.url)
    .resolve('tsx/esm/api')
    .replace(/\.cjs$/, '.mjs');
  const tsx = pathToFileURL(loader).href;
  const code = `import(${JSON.stringify(tsx)}).then(({ register }) => { register(); return import(${JSON.stringify(url.href)}); })`;
  return new Worker(code, { ...options, eval: true });
}
