/** The JSON text of a value with sorted keys: equal for equal values. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    member && typeof member === 'object' && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

/** Ten letters that differ for different texts and counts of collisions (FNV-1a); safe in names, as in Kubernetes without vowels. */
export function hashOf(text: string, collisionCount: number): string {
  const letters = 'bcdfghjklmnpqrstvwxz2456789';
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(`${text}/${collisionCount}`)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  let out = '';
  for (let rest = hash; out.length < 10; rest /= 27n) out += letters[Number(rest % 27n)];
  return out;
}
