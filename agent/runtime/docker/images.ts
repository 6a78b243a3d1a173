import type { ImageInfo } from 'dockerode';
import { type ImageState, type RegistryAuth, RuntimeError } from '../runtime.ts';
import { type Engine, isUnanswered } from './engine.ts';

/** Milliseconds for a pull. */
const pullMs = 30 * 60_000;

export async function imageStatus(
  engine: Engine,
  image: string,
  signal?: AbortSignal,
): Promise<ImageState | undefined> {
  const info = await engine.findImage(image, signal);
  return info && { ...imageState(info), user: info.Config.User };
}

export async function listImages(engine: Engine, signal?: AbortSignal): Promise<ImageState[]> {
  const images = await engine.call('list images', (abortSignal) => engine.docker.listImages({ abortSignal }), {
    signal,
  });
  return images.map(imageState);
}

/** Pulls an image. Throws RuntimeError: `ImageNotFound`, `ImagePull` with the engine's message, or `Unavailable`. */
export async function pullImage(
  engine: Engine,
  image: string,
  auth: RegistryAuth | undefined,
  signal?: AbortSignal,
): Promise<ImageState> {
  const authconfig = auth && { username: auth.username, password: auth.password, serveraddress: auth.server };
  try {
    await engine.call(
      'pull image',
      async (abortSignal) => {
        const progress = await engine.docker.pull(image, { authconfig, abortSignal });
        const refusal = await lastError(progress);
        if (refusal !== undefined) throw new RuntimeError('ImagePull', refusal);
      },
      { signal, deadlineMs: pullMs },
    );
  } catch (error) {
    throw asPullError(error);
  }
  const state = await imageStatus(engine, image, signal);
  if (!state) throw new RuntimeError('ImagePull', `${image} was pulled, but the engine does not have it`);
  return state;
}

/** An error of the engine fails the pull; only an engine that does not answer is unavailable. */
function asPullError(error: unknown): unknown {
  if (!(error instanceof RuntimeError) || error.code === 'ImageNotFound' || error.code === 'ImagePull') return error;
  return isUnanswered(error) ? error : new RuntimeError('ImagePull', error.message, { cause: error });
}

/** The progress of a pull: one JSON message per line, of which an error is one. */
async function lastError(progress: AsyncIterable<Uint8Array | string>): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let refusal: string | undefined;
  let rest = '';
  for await (const chunk of progress) {
    const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) refusal = errorIn(line) ?? refusal;
  }
  return errorIn(rest) ?? refusal;
}

function errorIn(line: string): string | undefined {
  if (!line.includes('"error')) return undefined;
  try {
    const message = JSON.parse(line) as { error?: string; errorDetail?: { message?: string } };
    return message.errorDetail?.message ?? message.error;
  } catch {
    // The stream ended within a message.
    return line;
  }
}

/** The common part of the engine's list and inspection. */
function imageState(info: Pick<ImageInfo, 'Id' | 'RepoTags' | 'RepoDigests' | 'Size'>): ImageState {
  const names = [...(info.RepoTags ?? []), ...(info.RepoDigests ?? [])].filter((name) => !name.startsWith('<none>'));
  return { id: info.Id, names, sizeBytes: info.Size };
}
