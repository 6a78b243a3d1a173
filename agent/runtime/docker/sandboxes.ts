import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerInspectInfo } from 'dockerode';
import type { Clock } from '../../../shared/clock.ts';
import { messageOf } from '../../../shared/errors.ts';
import { KeyedMutex } from '../../../shared/keyed-mutex.ts';
import { formatResolvConf } from '../../dns/pod-dns.ts';
import { fileLine } from '../../host/file-line.ts';
import { readBounded } from '../../host/read-bounded.ts';
import { attachmentOf } from '../../network/attachment.ts';
import type { PodNetwork } from '../../network/network.ts';
import { type PodRef, RuntimeError, type SandboxSpec, type SandboxState } from '../runtime.ts';
import { type EngineOptions, isNetworkSysctl, type PodFiles, sandboxConfig } from './container-config.ts';
import { milliseconds } from './container-state.ts';
import { type Engine, isConflict, longMs } from './engine.ts';
import { identityOf, podFilter, sandboxName, scopeFilter } from './labels.ts';
import { ensureSandboxImage } from './sandbox-image.ts';
import { isConfined } from './sandbox-status.ts';

/** Milliseconds until the sandbox's program must be confined. */
const confinedMs = 10_000;
/** Default sysctls of a private network namespace, as with Docker: low ports and ping need no privilege. */
const networkDefaults = { 'net.ipv4.ip_unprivileged_port_start': '0', 'net.ipv4.ping_group_range': '0 2147483647' };

interface Deps {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly network: PodNetwork | undefined;
}

/**
 * Sandboxes, from the engine's container to the address. The engine's container is created first and removed last, and every step between is
 * idempotent: what a crash at any instant leaves is in `list`, as not running until it is complete.
 *
 *     create: container → files → start → network          remove: containers → network → files → container
 */
export class Sandboxes {
  readonly #deps: Deps;
  readonly #options: EngineOptions;
  readonly #directory: string;
  readonly #specs = new Map<string, SandboxSpec>();
  /** By the pod's uid: creations and removals of one pod's sandboxes do not overlap. */
  readonly #mutex = new KeyedMutex();
  #image: string | undefined;

  constructor(deps: Deps, options: EngineOptions, directory: string) {
    this.#deps = deps;
    this.#options = options;
    this.#directory = directory;
  }

  /** Imports the image of the sandboxes. */
  async prepare(signal?: AbortSignal): Promise<void> {
    this.#image ??= await this.#ensureImage(signal);
  }

  create(spec: SandboxSpec, signal?: AbortSignal, made?: (id: string) => void): Promise<SandboxState> {
    return this.#mutex.run(spec.pod.uid, () => this.#create(spec, signal, made));
  }

  async remove(id: string, signal?: AbortSignal): Promise<void> {
    const spec = await this.spec(id, signal);
    if (spec) await this.#mutex.run(spec.pod.uid, () => this.#remove(id, spec, signal));
  }

  async #create(spec: SandboxSpec, signal?: AbortSignal, made?: (id: string) => void): Promise<SandboxState> {
    const id = await this.#createContainer(spec, signal);
    await this.#writeFiles(spec);
    this.#specs.set(id, spec);
    // Containers mount the files, so these come first. The sandbox need not run before containers are started.
    made?.(id);
    const info = await this.#start(id, signal);
    await this.#untilConfined(info.State.Pid, signal);
    if (!spec.hostNetwork) await this.#attach(spec, info.State.Pid, signal);
    return {
      id,
      pod: spec.pod,
      running: true,
      address: spec.address,
      attempt: spec.attempt,
      createdAt: milliseconds(info.Created) ?? 0,
    };
  }

  async #remove(id: string, spec: SandboxSpec, signal?: AbortSignal): Promise<void> {
    const { engine } = this.#deps;
    const filters = { label: [scopeFilter(this.#options.scope), podFilter(spec.pod.uid)] };
    const ofPod = await engine.call(
      'list containers',
      (abortSignal) => engine.docker.listContainers({ all: true, filters, abortSignal }),
      { signal },
    );
    const parts = ofPod.map((each) => ({ id: each.Id, identity: identityOf(this.#options.scope, each.Labels) }));
    await Promise.all(
      parts
        .filter(({ identity }) => identity?.role === 'container' && identity.sandboxId === id)
        .map((each) => this.removeContainer(each.id, signal)),
    );
    // The pod's interface may belong to a newer sandbox by now.
    const newer = parts.some(({ identity }) => identity?.role === 'sandbox' && identity.spec.attempt > spec.attempt);
    if (!newer && !spec.hostNetwork) await this.#deps.network?.detach(spec.pod.uid, signal);
    await rm(this.#filesOf(spec), { recursive: true, force: true });
    await this.removeContainer(id, signal);
    this.#specs.delete(id);
  }

  /** Kills and removes any container of the engine, and waits until it is gone. */
  async removeContainer(id: string, signal?: AbortSignal): Promise<void> {
    const { engine, clock } = this.#deps;
    const container = engine.docker.getContainer(id);
    const end = clock.monotonic() + longMs;
    for (;;) {
      try {
        const request = (abortSignal: AbortSignal) =>
          container.remove({ force: true, v: true, abortSignal } as Parameters<typeof container.remove>[0]);
        await engine.find('remove container', request, { signal, deadlineMs: longMs });
        return;
      } catch (error) {
        // Another removal is running: wait for its end.
        if (!isConflict(error) || clock.monotonic() >= end) throw error;
        await clock.sleep(20, signal);
      }
    }
  }

  /** The spec of the sandbox; undefined when it was removed or is not the agent's. */
  async spec(id: string, signal?: AbortSignal): Promise<SandboxSpec | undefined> {
    const cached = this.#specs.get(id);
    if (cached) return cached;
    const info = await this.#inspect(id, signal);
    const identity = info && identityOf(this.#options.scope, info.Config.Labels);
    if (identity?.role !== 'sandbox') return undefined;
    this.#specs.set(id, identity.spec);
    return identity.spec;
  }

  /** Its process, which owns the pod's namespaces; undefined when it does not run. */
  async pid(id: string, signal?: AbortSignal): Promise<number | undefined> {
    const info = await this.#inspect(id, signal);
    return info?.State.Running ? info.State.Pid : undefined;
  }

  /** The directory of the files that the pod's containers mount. */
  files(spec: SandboxSpec): PodFiles {
    const directory = this.#filesOf(spec);
    return {
      '/etc/hosts': spec.hostNetwork ? undefined : join(directory, 'hosts'),
      '/etc/hostname': spec.hostNetwork ? undefined : join(directory, 'hostname'),
      '/etc/resolv.conf': hasDns(spec) ? join(directory, 'resolv.conf') : undefined,
    };
  }

  async #createContainer(spec: SandboxSpec, signal?: AbortSignal): Promise<string> {
    const { engine } = this.#deps;
    for (let tries = 0; ; tries++) {
      this.#image ??= await this.#ensureImage(signal);
      const config = sandboxConfig(spec, this.#image, this.#options);
      try {
        const created = await engine.work(
          'create sandbox',
          (abortSignal) => engine.docker.createContainer({ ...config, abortSignal }),
          { signal },
        );
        return created.id;
      } catch (error) {
        if (isConflict(error)) return await this.#adopt(spec, error, signal);
        // The image was removed meanwhile: import it and try again.
        if (!(error instanceof RuntimeError && error.code === 'ImageNotFound') || tries > 0) throw error;
        this.#image = undefined;
      }
    }
  }

  /** The container of that name, if it is this sandbox. */
  async #adopt(spec: SandboxSpec, conflict: unknown, signal?: AbortSignal): Promise<string> {
    const info = await this.#inspect(sandboxName(spec), signal);
    const identity = info && identityOf(this.#options.scope, info.Config.Labels);
    if (info && identity?.role === 'sandbox') return info.Id;
    throw conflict;
  }

  async #start(id: string, signal?: AbortSignal): Promise<ContainerInspectInfo> {
    await this.#deps.engine.start('start sandbox', id, signal);
    const info = await this.#inspect(id, signal);
    if (!info) throw new RuntimeError('NotFound', `sandbox ${id} was removed while it was made`);
    return info;
  }

  async #attach(spec: SandboxSpec, pid: number, signal?: AbortSignal): Promise<void> {
    const { network } = this.#deps;
    if (!network || spec.address === undefined) return;
    const sysctls = Object.fromEntries(Object.entries(spec.sysctls).filter(([name]) => isNetworkSysctl(name)));
    try {
      await network.attach(
        attachmentOf({
          podUid: spec.pod.uid,
          netns: `/proc/${pid}/ns/net`,
          address: spec.address,
          hostPorts: spec.hostPorts,
          sysctls: { ...networkDefaults, ...sysctls },
        }),
        signal,
      );
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw new RuntimeError('Unavailable', `pod network: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Waits until the program is confined, shortly after its start. No container is started before that. */
  async #untilConfined(pid: number, signal?: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const end = clock.monotonic() + confinedMs;
    for (;;) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
      if (status === undefined || /^State:\s+[ZX]/m.test(status)) {
        throw new RuntimeError('Start', 'the sandbox ended as it began: it could not make its namespace or its filter');
      }
      if (isConfined(status)) return;
      if (clock.monotonic() >= end) throw new RuntimeError('Start', 'the sandbox did not give up its privileges');
      await clock.sleep(1, signal);
    }
  }

  async #writeFiles(spec: SandboxSpec): Promise<void> {
    const files = this.files(spec);
    await mkdir(this.#filesOf(spec), { recursive: true, mode: 0o755 });
    await Promise.all([
      writeIfOther(files['/etc/hosts'], hostsFile(spec)),
      writeIfOther(files['/etc/hostname'], fileLine([spec.hostname], ' ')),
      writeIfOther(files['/etc/resolv.conf'], formatResolvConf(spec.dns)),
    ]);
  }

  async #ensureImage(signal?: AbortSignal): Promise<string> {
    const { engine } = this.#deps;
    const { Architecture } = await engine.info(signal);
    return ensureSandboxImage(engine, Architecture, signal);
  }

  #inspect(id: string, signal?: AbortSignal): Promise<ContainerInspectInfo | undefined> {
    const { engine } = this.#deps;
    const container = engine.docker.getContainer(id);
    return engine.find('inspect sandbox', (abortSignal) => container.inspect({ abortSignal }), { signal });
  }

  #filesOf({ pod, attempt }: { pod: PodRef; attempt: number }): string {
    return join(this.#directory, `${pod.uid}_${attempt}`);
  }
}

function hasDns({ dns }: SandboxSpec): boolean {
  return dns.servers.length + dns.searches.length + dns.options.length > 0;
}

function hostsFile({ address, hostname }: SandboxSpec): string {
  const lines = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', 'fe00::0\tip6-localnet', ''];
  return lines.join('\n') + (address === undefined ? '' : fileLine([address, hostname], '\t'));
}

/** Replaces the file unless its text is right: then it stays the file that containers have mounted, and may have changed. */
async function writeIfOther(path: string | undefined, text: string): Promise<void> {
  if (path === undefined || (await readBounded(path, Buffer.byteLength(text))) === text) return;
  await writeFile(`${path}.new`, text, { mode: 0o644 });
  await rename(`${path}.new`, path);
}
