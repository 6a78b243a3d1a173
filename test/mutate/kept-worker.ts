import {
  type PoolOptions,
  type PoolRunnerInitializer,
  type PoolWorker,
  ThreadsPoolWorker,
  type WorkerRequest,
} from 'vitest/node';

/** A thread is replaced after so many runs, so that what killed mutants left running does not add up. */
const RUNS_A_THREAD = 100;

/** What Stryker's runner provides for the run. */
interface Provided {
  mutantActivation?: 'static' | 'runtime';
}

type Listener = Parameters<PoolWorker['on']>[1];

/**
 * A Vitest pool whose one thread outlives a run, so that the modules under test are loaded once, not once a mutant.
 * A mutant that acts while a module loads (Stryker calls it static) gets a thread of its own.
 */
export function keptWorkers(): PoolRunnerInitializer {
  let kept: { thread: ThreadsPoolWorker; runs: number } | undefined;
  return {
    name: 'kept',
    createPoolWorker(options: PoolOptions): PoolWorker {
      if ((options.project.getProvidedContext() as Provided).mutantActivation === 'static')
        return new ThreadsPoolWorker(options);
      const fresh = kept === undefined;
      kept ??= { thread: new ThreadsPoolWorker(options), runs: 0 };
      const { thread } = kept;
      kept.runs++;
      const last = kept.runs >= RUNS_A_THREAD;
      if (last) kept = undefined;
      return keptWorker(thread, fresh, last);
    },
  };
}

/** One run on a thread that is started by the first run (`fresh`) and stopped by the last; between them it goes on. */
function keptWorker(thread: ThreadsPoolWorker, fresh: boolean, last: boolean): PoolWorker {
  const listeners: { event: string; callback: Listener }[] = [];
  let startContext: object = {};

  const answer = (type: 'started' | 'stopped') => {
    for (const { event, callback } of [...listeners]) {
      if (event === 'message') callback({ __vitest_worker_response__: true, type });
    }
  };

  return {
    name: 'kept',
    on(event, callback) {
      listeners.push({ event, callback });
      thread.on(event, callback);
    },
    off(event, callback) {
      thread.off(event, callback);
    },
    send(message) {
      if (message.type === 'start' && !fresh) {
        startContext = message.context;
        answer('started');
      } else if (message.type === 'stop' && !last) answer('stopped');
      else if (message.type === 'run') thread.send({ ...message, context: { ...startContext, ...message.context } });
      else thread.send(message as WorkerRequest);
    },
    deserialize: (data) => thread.deserialize(data),
    async start() {
      if (fresh) await thread.start();
    },
    async stop() {
      for (const { event, callback } of listeners) thread.off(event, callback);
      if (last) await thread.stop();
    },
  };
}
