import { messageOf } from '../../../shared/errors.ts';

/** Throws, or returns false, when it does not hold. */
export type Check = () => boolean | undefined | Promise<boolean | undefined>;

/**
 * The answer of `/healthz`, `/livez` and `/readyz` in Kubernetes' form: `ok`, or one line a check. `only`: the name of
 * the one check that was asked for.
 */
export async function healthText(
  path: string,
  checks: Readonly<Record<string, Check>>,
  verbose: boolean,
  only?: string,
): Promise<{ ok: boolean; text: string }> {
  const all: Readonly<Record<string, Check>> = { ping: () => true, ...checks };
  const lines: string[] = [];
  let ok = only === undefined || only in all;
  for (const [name, check] of Object.entries(all)) {
    if (only !== undefined && only !== name) continue;
    const fault = await faultOf(check);
    if (fault !== undefined) ok = false;
    lines.push(fault === undefined ? `[+]${name} ok` : `[-]${name} failed: ${fault}`);
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
