import type { ServiceAccountTokenProjection } from '../../shared/generated/types.ts';
import type { PodEnvironment } from '../pod/inputs.ts';
import type { Mounter } from './mounter.ts';
import type { Payload } from './payload.ts';

/** One volume of a pod on this node. */
export interface VolumeContext extends PodEnvironment {
  /** The volume's directory on the node. */
  readonly path: string;
  readonly mounter: Mounter;
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
  /** Where it lies on the node. Absent: in the pod's directory. */
  location?(source: S): string;
  /** Containers cannot write to it, whatever their mounts say. */
  readonly readOnly?: true;
  /** The path below the volume that a `subPath` stands for. Absent: itself. */
  resolveSubPath?(path: string, subPath: string): Promise<string>;
  /** Absent: it does not count. */
  ephemeralStorage?(source: S): EphemeralStorage;
}
