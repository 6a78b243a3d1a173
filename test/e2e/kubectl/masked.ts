/**
 * kubectl's output without what is another each time: moments, ages, uids, addresses, generated names. Columns are
 * told apart by two spaces, however wide they are.
 */
export function masked(text: string): string {
  return text
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, 'TIME')
    .replace(/\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g, 'TIME')
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UID')
    .replace(/\b\d+\.\d+\.\d+\.\d+\b/g, 'IP')
    .replace(/-[bcdfghjklmnpqrstvwxz2456789]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b/g, '-HASH-POD')
    .replace(/-[bcdfghjklmnpqrstvwxz2456789]{9,10}\b/g, '-HASH')
    .replace(/(?<=[\s(])(?=\d)(\d+y)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(?=[\s)]|$)/g, 'AGE')
    .replace(/ {2,}/g, '  ')
    .replace(/-{3,}/g, '---')
    .replace(/ +$/gm, '')
    .trimEnd();
}
