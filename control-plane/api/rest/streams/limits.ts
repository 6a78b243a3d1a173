/** A connection on which nothing is carried is closed after this: the kubelet's default (`streamingConnectionIdleTimeout`). */
export const idleMs = 4 * 3_600_000;

/**
 * How long a client may take to read what had been sent when the stream ended: what the sockets on the way hold. Closing
 * outright would make the kernel drop it as soon as the client sends another byte.
 */
export const lingerMs = 15 * 60_000;

/**
 * A ping keeps whatever lies in between from forgetting the connection. And it finds out that the client has gone while
 * nothing is read of it, because a pod does not take what was read before: a write then fails.
 */
export const pingMs = 5_000;

/** How long a client has to open the streams that it announced (the kubelet's `streamCreationTimeout`). */
export const openMs = 30_000;

/** When the server ends, its streams get this long to be closed in order. */
export const closingMs = 2_000;

/** What may lie untaken of what one side has sent (bytes), before the other side is read no further. */
export const maxUntaken = 256 * 1024;

/** The most bytes of one frame towards the pod. */
export const maxFrame = 64 * 1024;

/** A connection on which the kernel has heard nothing for so long is asked whether it is still there. */
export const keepAliveMs = 30_000;
