/** A text without a character as often as it stands at the end. A pattern such as `/-+$/` looks at each run of it again and again. */
export function withoutEnding(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end--;
  return text.slice(0, end);
}
