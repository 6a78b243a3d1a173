import { join } from 'node:path';
import type Docker from 'dockerode';
import type { Clock } from '../../shared/clock.ts';
import { type ClusterAccess, readKubeconfig } from '../../shared/pki/kubeconfig.ts';
import { removeCgroup } from '../cluster/cgroups.ts';
import { engineAt } from '../cluster/engine.ts';
import { run, tryRun } from '../cluster/run.ts';

/** Runs `deploy/docker-compose.yml` with Compose 2 (`docker compose`) or Compose 1 (`docker-compose`). */
export interface ComposeProject {
  build(): Promise<void>;
  up(): Promise<void>;
  /** Removes containers, networks, volumes and the project's image; not the base image. */
  down(): Promise<void>;
  /** A power cut of a service's container, and its power-on. */
  kill(service: string): Promise<void>;
  start(service: string): Promise<void>;
  /** The container's address on the nodes' network. */
  address(service: string): Promise<string>;
  /** The engine inside a node, by its socket on the node's volume, which only root can open. */
  engine(service: string): Promise<Docker>;
  /** An administrator's access; undefined until the control plane has written it. */
  access(): Promise<{ access: Omit<ClusterAccess, 'grpc'>; kubeconfig: string } | undefined>;
  logs(service: string): Promise<string>;
}

export interface ComposeOptions {
  readonly project: string;
  readonly baseImage: string;
  readonly podCIDR: string;
}

const file = join(import.meta.dirname, '..', 'docker-compose.yml');
/** Its path in the control plane's container. */
const kubeconfigPath = '/var/lib/coracle/admin.kubeconfig';
const slowMs = 300_000;

export async function composeProject(options: ComposeOptions, clock: Clock): Promise<ComposeProject> {
  const { project, baseImage, podCIDR } = options;
  const [command = 'docker-compose', ...prefix] = await composeCommand();
  const env = {
    BASE_IMAGE: baseImage,
    POD_CIDR: podCIDR,
    CORACLE_IMAGE: `${project}:local`,
    // The classic builder: the new one is a plugin, which is not everywhere.
    DOCKER_BUILDKIT: '0',
    COMPOSE_DOCKER_CLI_BUILD: '0',
  };
  const compose = (...args: string[]): Promise<string> =>
    run(command, [...prefix, '-f', file, '-p', project, ...args], { env, timeoutMs: slowMs });
  const container = async (service: string): Promise<string> => {
    // Compose 1 lists stopped containers as well, Compose 2 only with --all, which Compose 1 knows too.
    const id = (await compose('ps', '-a', '-q', service)).trim().split('\n')[0];
    if (id === undefined || id === '') throw new Error(`${service} has no container`);
    return id;
  };
  const inspect = async (format: string, service: string): Promise<string> =>
    (await run('docker', ['inspect', '--format', format, await container(service)])).trim();

  return {
    // All services share the image: one build is enough.
    build: async () => void (await compose('build', 'control-plane')),
    up: async () => void (await compose('up', '-d', '--no-build')),
    async down() {
      const ids = (await compose('ps', '-a', '-q')).split('\n').filter((id) => id !== '');
      await compose('down', '-v', '--remove-orphans', '--timeout', '5');
      // An engine does not remove the groups of an engine inside its container.
      for (const id of ids) await removeCgroup(`docker/${id}`, clock);
      await tryRun('docker', ['image', 'rm', '--force', env.CORACLE_IMAGE]);
    },
    kill: async (service) => void (await run('docker', ['kill', await container(service)])),
    start: async (service) => void (await run('docker', ['start', await container(service)])),
    address: (service) => inspect(`{{(index .NetworkSettings.Networks "${project}_nodes").IPAddress}}`, service),
    async engine(service) {
      const mount = '{{range .Mounts}}{{if eq .Destination "/var/lib/coracle"}}{{.Source}}{{end}}{{end}}';
      return engineAt(join(await inspect(mount, service), 'docker.sock'));
    },
    async access() {
      const shown = await tryRun('docker', ['exec', await container('control-plane'), 'cat', kubeconfigPath]);
      if (shown.status !== 0) return undefined;
      const read = readKubeconfig(shown.stdout, (path) => {
        throw new Error(`the kubeconfig names a file: ${path}`);
      });
      return { access: read, kubeconfig: shown.stdout };
    },
    logs: (service) => compose('logs', '--no-color', '--tail', '30', service),
  };
}

async function composeCommand(): Promise<string[]> {
  for (const command of [['docker', 'compose'], ['docker-compose']]) {
    const [program = '', ...args] = command;
    try {
      if ((await tryRun(program, [...args, 'version'])).status === 0) return command;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  throw new Error('neither `docker compose` nor `docker-compose` is there');
}
