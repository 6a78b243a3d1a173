/** Whether Go's `strconv.ParseBool` reads a text as true. */
export function isTrue(text: string): boolean {
  return ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text);
}

/** A text without the trailing repetitions of a character; linear, where a pattern such as `/-+$/` is quadratic. */
export function withoutEnding(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end--;
  return text.slice(0, end);
}
