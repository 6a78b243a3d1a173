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

/** What an emptyDir, a ConfigMap … takes of the pod's `ephemeral-storage`. */
export interface EphemeralStorage {
  /** Counts towards the limits of the pod and its containers. */
  readonly onDisk: boolean;
  /** A quantity; the pod is evicted when the volume holds more. */
  readonly sizeLimit?: string | undefined;
}

/**
 * One kind of volume source; `S` is the source as a pod's spec has it. There is no tear-down of its own: when the pod goes, what is
 * mounted below its directory is unmounted and the directory removed, which needs no spec and so holds for orphaned pods, too.
 */
export interface VolumeSource<S> {
  /** Makes the volume. Idempotent: runs again after a failure and after a restart of the agent. Throws ConfigError. */
  prepare(source: S, volume: VolumeContext): Promise<void>;
  /** Shows what the pod's inputs are now. Absent: it does not depend on them. Throws ConfigError. */
  refresh?(source: S, volume: VolumeContext): Promise<void>;
  /** Whether the volume has content although `prepare` or `refresh` failed. Absent: no. */
  isPrepared?(path: string): Promise<boolean>;
  /** The files that it shows; all that a hollow node does of it. Absent: none. Throws ConfigError. */
  content?(source: S, environment: PodEnvironment): Payload;
  /** The tokens among them. */
  tokens?(source: S): ServiceAccountTokenProjection[];
  /** Where it lies on the node. Absent: in the pod's directory. */
  location?(source: S): string;
  /** Containers cannot write to it, whatever their mounts say. */
  readonly readOnly?: true;
  /** Where below the volume a `subPath` leads. Absent: to itself. */
  resolveSubPath?(path: string, subPath: string): Promise<string>;
  /** Absent: it takes none. */
  ephemeralStorage?(source: S): EphemeralStorage;
}
