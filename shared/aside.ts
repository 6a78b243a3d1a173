/** Yields to the event loop. */
export function aside(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
