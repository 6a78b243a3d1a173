/** The user and group of the confined sandbox program. */
export const sandboxUser = 65_535;

/**
 * Whether the sandbox's program is confined (see sandbox-image.ts), by its `/proc/PID/status`: it sets its umask last, after its seccomp
 * filter. From then on containers may be started in the sandbox.
 */
export function isConfined(status: string): boolean {
  const fields = new Map(status.split('\n').map((line) => line.split(/:\s*/, 2) as [string, string]));
  const users = `${sandboxUser} `.repeat(4).trim();
  const words = (name: string): string => (fields.get(name) ?? '').trim().split(/\s+/).join(' ');
  return (
    ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].every((name) => /^0+$/.test(words(name))) &&
    words('Uid') === users &&
    words('Gid') === users &&
    words('Groups') === '' &&
    words('NoNewPrivs') === '1' &&
    words('Seccomp') === '2' &&
    words('Umask') === '0777'
  );
}
