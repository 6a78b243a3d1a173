import type { Taint } from '../shared/generated/types.ts';
import type { RuntimeName } from './runtime/runtimes.ts';

/** The agent's command line. */
export interface AgentOptions {
  /** `host:port` of the control plane's gRPC API. */
  readonly server: string;
  /** Needed until the machine has its certificate. */
  readonly token?: string;
  /** A file with the token that only its owner may read; read when the token is needed. */
  readonly tokenFile?: string;
  readonly caHash?: string;
  readonly nodeName: string;
  /** IPv4 address by which the other nodes reach this one; absent: the first that is not a loopback. */
  readonly nodeAddress?: string;
  readonly dataDir: string;
  readonly runtime: RuntimeName;
  readonly dockerSocket: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  /** `HOST:PORT` of the metrics; absent: none. */
  readonly metricsListen?: string;
  readonly logLevel: string;
  readonly maxPods?: number;
  /** Reserved for the system, out of what pods may have: thousandths of a core, bytes. */
  readonly reserved?: { readonly cpuMillis: number; readonly memoryBytes: number };
  readonly cgroupParent?: string;
  /** The file with the resolver settings that pods inherit; absent: the machine's, behind systemd-resolved. */
  readonly resolvConf?: string;
  /** Sysctls that pods may set beside those that are safe: names, or prefixes that end in `*`. */
  readonly allowedUnsafeSysctls?: readonly string[];
  /** The engine's name of the OCI runtime, when not its default. */
  readonly runtimeName?: string;
}
