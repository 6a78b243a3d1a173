/** Lets others' requests go first. */
export function aside(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
