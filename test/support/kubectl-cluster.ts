import { tokenKeysOf } from '../../control-plane/api/auth/tokens/index.ts';
import { type ControlPlane, createControlPlane } from '../../control-plane/control-plane.ts';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import { systemClock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import { type Authority, createAuthority, loadAuthority } from '../../shared/pki/certificates.ts';
import { systemRandom } from '../../shared/random.ts';
import { type Kubectl, type Ran, serveKubectl } from './kubectl.ts';

const deps = { clock: systemClock, random: systemRandom };

/** A whole control plane in this process, without nodes, and kubectl as its administrator. */
export interface KubectlCluster {
  readonly controlPlane: ControlPlane;
  readonly authority: Authority;
  readonly kubectl: Kubectl;
  /** What it wrote; rejects when it failed. */
  run(...args: string[]): Promise<string>;
  /** `kubectl create -f -`; rejects when it failed. */
  create(object: object, ...args: string[]): Promise<string>;
  /** With only the credentials in the flags: `--token=…`, `--client-certificate=…`. */
  as(flags: readonly string[], ...args: string[]): Promise<Ran>;
  close(): Promise<void>;
}

export async function startKubectlCluster(): Promise<KubectlCluster> {
  const stop = new AbortController();
  const authority = await loadAuthority(await createAuthority('test-ca', deps), deps);
  const controlPlane = createControlPlane({
    ...deps,
    store: new MemoryStore(deps),
    log: silentLog,
    holder: 'test',
    clusterCIDR: '10.94.0.0/16',
    tokenKeys: tokenKeysOf(),
    authority,
  });
  const serving = controlPlane.run(stop.signal);
  await controlPlane.ready(stop.signal);
  const kubectl = await serveKubectl({ controlPlane, authority });
  const checked = (args: readonly string[], { code, out, err }: Ran): string => {
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${err}`);
    return out;
  };
  return {
    controlPlane,
    authority,
    kubectl,
    run: async (...args) => checked(args, await kubectl.run(args)),
    async create(object, ...more) {
      const args = ['create', '-f', '-', ...more];
      return checked(args, await kubectl.run(args, { input: JSON.stringify(object) }));
    },
    as(flags, ...args) {
      const server = [`--server=https://127.0.0.1:${kubectl.port}`, `--certificate-authority=${kubectl.dir}/ca.crt`];
      return kubectl.run([...flags, ...server, ...args], { env: { KUBECONFIG: '/dev/null' } });
    },
    async close() {
      await kubectl.close();
      stop.abort(new Error('the test is over'));
      await serving;
    },
  };
}
