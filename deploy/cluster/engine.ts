import Docker from 'dockerode';
import type { Clock } from '../../shared/clock.ts';

/** A client of the engine that listens on a unix socket. */
export function engineAt(socketPath: string): Docker {
  return new Docker({ socketPath });
}

/** A client of the host's engine, where DOCKER_HOST or its default says. */
export function hostEngine(): Docker {
  return new Docker();
}

/** Resolves when the engine answers; rejects with its last error after `timeoutMs`. */
export async function engineReady(engine: Docker, clock: Clock, timeoutMs = 30_000): Promise<void> {
  const end = clock.monotonic() + timeoutMs;
  for (;;) {
    try {
      await engine.ping();
      return;
    } catch (error) {
      if (clock.monotonic() >= end) throw new Error(`the engine does not answer: ${(error as Error).message}`);
    }
    await clock.sleep(20);
  }
}

/** Loads an image archive, as `docker save` writes it. */
export async function loadImage(engine: Docker, archive: NodeJS.ReadableStream): Promise<void> {
  const answer = await engine.loadImage(archive, { quiet: true });
  await new Promise<void>((resolve, reject) => {
    engine.modem.followProgress(answer, (error, steps: { error?: string }[] | null) => {
      const failed = steps?.find((step) => step.error !== undefined)?.error;
      if (error !== null && error !== undefined) reject(error);
      else if (failed !== undefined) reject(new Error(failed));
      else resolve();
    });
  });
}
