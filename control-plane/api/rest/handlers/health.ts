import { messageOf } from '../../../../shared/errors.ts';

/** Throws or returns false when the check fails. */
export type Check = () => boolean | undefined | Promise<boolean | undefined>;

export interface HealthQuery {
  /** One line a check, even if all succeed. */
  readonly verbose: boolean;
  /** Names of checks to leave out. */
  readonly exclude: readonly string[];
  /** The name of the only check to run. */
  readonly only?: string;
}

/**
 * The answer of `/healthz`, `/livez` and `/readyz` in Kubernetes' form: `ok`, or one line a check. Undefined when there is no check
 * of the name in `only`.
 */
export async function healthText(
  path: string,
  checks: Readonly<Record<string, Check>>,
  { verbose, exclude, only }: HealthQuery,
): Promise<{ ok: boolean; text: string } | undefined> {
  const all: Readonly<Record<string, Check>> = { ping: () => true, ...checks };
  if (only !== undefined) {
    const check = Object.hasOwn(all, only) ? all[only] : undefined;
    const fault = check && (await faultOf(check));
    if (!check) return undefined;
    return fault === undefined ? { ok: true, text: 'ok' } : { ok: false, text: `internal server error: ${fault}\n` };
  }
  const lines: string[] = [];
  let ok = true;
  for (const [name, check] of Object.entries(all)) {
    if (exclude.includes(name)) {
      lines.push(`[+]${name} excluded: ok`);
      continue;
    }
    const fault = await faultOf(check);
    if (fault !== undefined) ok = false;
    lines.push(fault === undefined ? `[+]${name} ok` : `[-]${name} failed: ${fault}`);
  }
  const unknown = exclude.filter((name) => !Object.hasOwn(all, name)).map((name) => JSON.stringify(name));
  if (unknown.length > 0) {
    lines.push(`warn: some health checks cannot be excluded: no matches for ${unknown.join(',')}`);
  }
  if (ok && !verbose) return { ok, text: 'ok' };
  return { ok, text: `${lines.join('\n')}\n${path} check ${ok ? 'passed' : 'failed'}\n` };
}

async function faultOf(check: Check): Promise<string | undefined> {
  try {
    return (await check()) === false ? 'not ready' : undefined;
  } catch (error) {
    return messageOf(error);
  }
}
