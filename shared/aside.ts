/** Lets what waits in the event loop run first. */
export function aside(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
