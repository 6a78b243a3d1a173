import type { Container, EphemeralContainer, Pod } from '../../shared/generated/types.ts';
import type { ContainerState, SandboxState } from '../runtime/runtime.ts';

/**
 * What a pod is decided on: its spec, what the runtime has of it, what the agent remembers of it across its own
 * restarts (PodMemory), and how far the work of this process has come (PodProgress). All times are milliseconds.
 */
export interface PodView {
  readonly pod: Pod;
  readonly observed: ObservedPod;
  readonly memory: PodMemory;
  readonly progress: PodProgress;
  readonly inputs: InputVersions;
  /** By container id. */
  readonly probes: ReadonlyMap<string, ProbeVerdict>;
  /** Why no sandbox is made for the pod on this node; absent: it can run here. */
  readonly unsupported?: { readonly reason: string; readonly message: string } | undefined;
  /** False while nothing new may be started: the agent does not know yet whether the pod is still its own. */
  readonly mayStart: boolean;
}

export interface ObservedPod {
  readonly sandboxes: readonly SandboxState[];
  readonly containers: readonly ContainerState[];
}

/** Survives the agent: part of the checkpoint, plain JSON. Never changed in place. */
export interface PodMemory {
  /** When the agent first saw the pod. */
  readonly startTime: number;
  readonly address?: string;
  /** The attempt number of the pod's next sandbox. */
  readonly nextSandbox: number;
  /** The pod is to go: since when, and how long its containers have. */
  readonly deletion?: { readonly since: number; readonly graceSeconds: number };
  /** Decided once, never taken back. */
  readonly terminal?: {
    readonly phase: 'Succeeded' | 'Failed';
    readonly reason?: string;
    readonly message?: string;
    /** When it was decided, and how long what still runs has from then; absent: the pod's own grace. */
    readonly since?: number;
    readonly graceSeconds?: number;
    /** The node did not admit it: nothing of it was ever made. */
    readonly refused?: boolean;
  };
  /** Tokens of the account that the pod runs as, by what was asked for (see tokens.ts). */
  readonly tokens?: Readonly<Record<string, HeldToken>>;
  readonly containers: Readonly<Record<string, ContainerMemory>>;
}

export interface HeldToken {
  readonly token: string;
  readonly expires: number;
  /** When a new one is to be asked for. */
  readonly renewAt: number;
}

export interface ContainerMemory {
  /** The attempt number of the next container of this name: how many there have been. */
  readonly nextAttempt: number;
  /** Exits in a row after less than `crashResetMs` of running. */
  readonly crashes: number;
  /** The one that was last seen running. */
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
   * The running one was given other resources than it was made with (see resources.ts). `changing`: it is about to be given others still,
   * and whether that has happened is not known.
   */
  readonly resized?: { readonly id: string; readonly resources: string; readonly changing?: true };
  /** Newest first, at most two. */
  readonly exits: readonly ContainerExit[];
  /** The id of the container that is stopped to make way for one of another definition. */
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
  /** What waits from its end counts from here: the clock was set back behind it. Absent: from `finishedAt`. */
  readonly countedFrom?: number;
  /** It made way for one of another definition: the next is started whatever the restart policy says. */
  readonly replaced?: true;
}

/** Counts the changes of what a pod is made from, in this process. */
export interface InputVersions {
  /** Of the ConfigMaps and Secrets that the pod names. */
  readonly objects: number;
  /** Of the pod itself: its spec, labels and annotations. */
  readonly pod: number;
}

/** What this process has done and failed at; empty after a restart of the agent. */
export interface PodProgress {
  /** Every volume has content, of whatever version: containers may be started. Never taken back. */
  readonly mounted: boolean;
  /** The inputs that all volumes show. Older than the newest: a refresh is due. */
  readonly volumes?: InputVersions;
  readonly volumesFailure?: Failure | undefined;
  /** The pod has ended, and its volumes are gone. */
  readonly volumesReleased?: boolean;
  /** A token could not be renewed. */
  readonly tokensFailure?: Pick<Failure, 'at' | 'retryAt'> | undefined;
  readonly sandboxFailure?: Failure | undefined;
  /** The sandbox that is being made, once containers can be created in it. */
  readonly making?: { readonly id: string; readonly attempt: number } | undefined;
  readonly containers: ReadonlyMap<string, ContainerProgress>;
}

export interface ContainerProgress {
  /** Which attempt this is about; other attempts start afresh. */
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
  /** As a waiting container shows it: ErrImagePull, CreateContainerConfigError … */
  readonly reason: string;
  readonly message: string;
  readonly at: number;
  readonly retryAt: number;
  /** In a row. */
  readonly count: number;
  /** What was tried. With other inputs it is tried at once; what is absent makes no difference to it. */
  readonly inputs: Partial<InputVersions> & { readonly image?: string };
}

/** What the probes of one running container have found so far; absent values have no probe or no result yet. */
export interface ProbeVerdict {
  readonly started?: boolean;
  readonly ready?: boolean;
  /** Set when the container has to be restarted, and by which probe. */
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
