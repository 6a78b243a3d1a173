import type { Container, EphemeralContainer, Pod } from '../../shared/generated/types.ts';
import type { ContainerState, SandboxState } from '../runtime/runtime.ts';

/**
 * What a pod is planned on: its spec, what the runtime has (ObservedPod), what survives the process (PodMemory), and what this process
 * has done (PodProgress). All times are milliseconds.
 */
export interface PodView {
  readonly pod: Pod;
  readonly observed: ObservedPod;
  readonly memory: PodMemory;
  readonly progress: PodProgress;
  readonly inputs: InputVersions;
  /** By container id. */
  readonly probes: ReadonlyMap<string, ProbeVerdict>;
  /** Why the pod cannot run on this node; absent: it can. */
  readonly unsupported?: { readonly reason: string; readonly message: string } | undefined;
  /** False while nothing new may be started: it is not known yet whether the pod is still assigned to the node. */
  readonly mayStart: boolean;
}

export interface ObservedPod {
  readonly sandboxes: readonly SandboxState[];
  readonly containers: readonly ContainerState[];
}

/** Survives the process: part of the checkpoint, plain JSON. Immutable. */
export interface PodMemory {
  /** When the node first saw the pod. */
  readonly startTime: number;
  readonly address?: string;
  /** The attempt number of the pod's next sandbox. */
  readonly nextSandbox: number;
  /** The pod is being deleted: since when, and its grace period. */
  readonly deletion?: { readonly since: number; readonly graceSeconds: number };
  /** How the pod ends. Never changed once set. */
  readonly terminal?: {
    readonly phase: 'Succeeded' | 'Failed';
    readonly reason?: string;
    readonly message?: string;
    /** When it was decided, and the grace period from then; absent: the pod's own. */
    readonly since?: number;
    readonly graceSeconds?: number;
    /** The node rejected the pod: nothing of it was ever created. */
    readonly refused?: boolean;
  };
  /** Tokens of the pod's service account, by their request (see tokens.ts). */
  readonly tokens?: Readonly<Record<string, HeldToken>>;
  readonly containers: Readonly<Record<string, ContainerMemory>>;
}

export interface HeldToken {
  readonly token: string;
  readonly expires: number;
  /** When a new one is requested. */
  readonly renewAt: number;
}

export interface ContainerMemory {
  /** The attempt number of the next container of this name. */
  readonly nextAttempt: number;
  /** Consecutive exits after less than `crashResetMs` of running. */
  readonly crashes: number;
  /** The container that was last seen running. */
  readonly live?: {
    readonly id: string;
    readonly attempt: number;
    readonly sandboxId: string;
    readonly startedAt: number;
    readonly image: string;
    readonly imageId: string;
    readonly hash?: string;
  };
  /**
   * The running container was resized after its creation (see resources.ts). `changing`: another resize has begun, and it is not known
   * whether it was applied.
   */
  readonly resized?: { readonly id: string; readonly resources: string; readonly changing?: true };
  /** Newest first, at most two. */
  readonly exits: readonly ContainerExit[];
  /** The id of the container that is stopped because its definition has changed. */
  readonly replacing?: string;
}

export interface ContainerExit {
  readonly id: string;
  readonly sandboxId: string;
  readonly attempt: number;
  readonly hash?: string;
  readonly image: string;
  readonly imageId: string;
  readonly exitCode: number;
  readonly signal?: number;
  readonly reason: string;
  readonly message?: string;
  readonly startedAt?: number;
  readonly finishedAt: number;
  /** Back-offs count from here, because the clock was set back since. Absent: from `finishedAt`. */
  readonly countedFrom?: number;
  /** It was stopped because its definition changed: the next is started whatever the restart policy. */
  readonly replaced?: true;
}

/** Counts the changes of what a pod is made from, since the start of the process. */
export interface InputVersions {
  /** Of the ConfigMaps and Secrets that the pod names. */
  readonly objects: number;
  /** Of the pod itself: its spec, labels and annotations. */
  readonly pod: number;
}

/** What this process has done and failed at; empty at its start. */
export interface PodProgress {
  /** Every volume has content, of any version: containers may be started. Stays true. */
  readonly mounted: boolean;
  /** The inputs that all volumes were written from. When they are not the newest, a refresh is due. */
  readonly volumes?: InputVersions;
  readonly volumesFailure?: Failure | undefined;
  /** The pod has ended, and its volumes were removed. */
  readonly volumesReleased?: boolean;
  /** A token could not be renewed. */
  readonly tokensFailure?: Pick<Failure, 'at' | 'retryAt'> | undefined;
  readonly sandboxFailure?: Failure | undefined;
  /** The sandbox that is being created, once containers can be created in it. */
  readonly making?: { readonly id: string; readonly attempt: number } | undefined;
  readonly containers: ReadonlyMap<string, ContainerProgress>;
}

export interface ContainerProgress {
  /** The attempt that the progress is of. */
  readonly attempt: number;
  /** The image that was found or pulled for it. */
  readonly image?: string | undefined;
  readonly failure?: Failure | undefined;
  /** Its postStart hook has not ended yet. */
  readonly hookPending?: boolean;
  /** Its preStop hook has been run. */
  readonly preStopped?: boolean;
}

export interface Failure {
  /** The reason of a waiting container: ErrImagePull, CreateContainerConfigError … */
  readonly reason: string;
  readonly message: string;
  readonly at: number;
  readonly retryAt: number;
  /** Consecutive failures with the same inputs. */
  readonly count: number;
  /** What was tried. With other inputs it is tried again at once; absent inputs do not matter. */
  readonly inputs: Partial<InputVersions> & { readonly image?: string };
}

/** The results of a running container's probes; a value is absent without a probe or a result. */
export interface ProbeVerdict {
  readonly started?: boolean;
  readonly ready?: boolean;
  /** The probe that demands a restart of the container. */
  readonly unhealthy?: { readonly probe: 'liveness' | 'startup'; readonly graceSeconds?: number };
}

export type Role = 'init' | 'sidecar' | 'app' | 'ephemeral';

export interface PodContainer {
  readonly spec: Container & Pick<EphemeralContainer, 'targetContainerName'>;
  readonly role: Role;
}

export const emptyProgress: PodProgress = { mounted: false, containers: new Map() };

export const firstInputs: InputVersions = { objects: 0, pod: 0 };

export function newMemory(now: number): PodMemory {
  return { startTime: now, nextSandbox: 0, containers: {} };
}
