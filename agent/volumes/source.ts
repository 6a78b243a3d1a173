import type { ServiceAccountTokenProjection } from '../../shared/generated/types.ts';
import type { PodEnvironment } from '../pod/inputs.ts';
import type { Mounter } from './mounter.ts';
import type { Payload } from './payload.ts';

/** A volume of a pod by its name. */
export interface NamedVolume extends PodEnvironment {
  /** In the pod's spec. */
  readonly name: string;
}

/** One volume of a pod on this node. */
export interface VolumeContext extends NamedVolume {
  /** The volume's directory on the node. */
  readonly path: string;
  readonly mounter: Mounter;
  /** The directory of the node's local volumes. */
  readonly localRoot: string;
}

/** How a volume counts as `ephemeral-storage` of its pod. */
export interface EphemeralStorage {
  /** Counts towards the limits of the pod and its containers. */
  readonly onDisk: boolean;
  /** A quantity; the pod is evicted when the volume holds more. */
  readonly sizeLimit?: string | undefined;
}

/**
 * One kind of volume source; `S`: the source in a pod's spec. It has no tear-down: when the pod ends, all that is mounted below its directory
 * is unmounted and the directory removed, which needs no spec and so works for orphaned pods.
 */
export interface VolumeSource<S> {
  /** What must hold before the volume is made; hollow nodes check only this and the content. Absent: nothing. Throws ConfigError. */
  check?(source: S, volume: NamedVolume): void;
  /** Makes the volume. Idempotent: runs again after a failure and after a restart of the agent. Throws ConfigError. */
  prepare(source: S, volume: VolumeContext): Promise<void>;
  /** Updates the content to the pod's inputs. Absent: it does not depend on them. Throws ConfigError. */
  refresh?(source: S, volume: VolumeContext): Promise<void>;
  /** Whether the volume has content although `prepare` or `refresh` failed. Absent: no. */
  isPrepared?(path: string): Promise<boolean>;
  /** The files of a projected volume; hollow nodes compute only this. Absent: none. Throws ConfigError. */
  content?(source: S, environment: PodEnvironment): Payload;
  /** The service account tokens among them. */
  tokens?(source: S): ServiceAccountTokenProjection[];
  /** Where it lies on the node. Absent or undefined: in the pod's directory. Throws ConfigError. */
  location?(source: S, volume: NamedVolume): string | undefined;
  /** Containers cannot write to it, whatever their mounts say. */
  readonly readOnly?: true | ((source: S) => boolean);
  /** The path below the volume that a `subPath` stands for. Absent: itself. */
  resolveSubPath?(path: string, subPath: string): Promise<string>;
  /** Absent: it does not count. */
  ephemeralStorage?(source: S): EphemeralStorage;
}
