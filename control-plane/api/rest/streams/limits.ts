/** An idle connection is closed after this: the kubelet's default (`streamingConnectionIdleTimeout`). */
export const idleMs = 4 * 3_600_000;

/**
 * How long a client may take to read the rest after the end of the stream. Closing the socket at once would make the kernel drop
 * unread data as soon as the client sends another byte.
 */
export const lingerMs = 15 * 60_000;

/**
 * A ping keeps the connection alive in proxies and NATs. Its failed write also shows that the client has gone while nothing is read
 * from it, as the pod does not take more.
 */
export const pingMs = 5_000;

/** How long a client may take to open its streams (the kubelet's `streamCreationTimeout`). */
export const openMs = 30_000;

/** How long streams may take to close when the server ends. */
export const closingMs = 2_000;

/** The most unread bytes for one side before the other side is no longer read. */
export const maxUntaken = 256 * 1024;

/** The most bytes of one frame towards the pod. */
export const maxFrame = 64 * 1024;

/** The idle time before TCP keep-alive probes. */
export const keepAliveMs = 30_000;
