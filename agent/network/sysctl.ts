import type { Brand } from '../../shared/net/brand.ts';
import { NetworkError } from './error.ts';

/** A file below /proc/sys. */
export type SysctlPath = Brand<string, 'SysctlPath'>;
/** The line that is written to it. */
export type SysctlValue = Brand<string, 'SysctlValue'>;
export type Sysctls = ReadonlyMap<SysctlPath, SysctlValue>;

/** Kubernetes' rule for names (`apis/core/validation`, SysctlContainSlashFmt): no part is empty or begins with a dot. */
const part = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const name = new RegExp(`^(${part}[./])*${part}$`);

/**
 * The files of sysctls, whose names are spelled with dots or with slashes. Throws NetworkError `Address` for a name that is not one, or a
 * value of more than one line.
 */
export function sysctls(values: Readonly<Record<string, string>>): Sysctls {
  return new Map(
    Object.entries(values).map(([key, value]) => {
      if (!name.test(key)) throw new NetworkError('Address', `${JSON.stringify(key)} is not the name of a sysctl`);
      if (!/^[ -~\t]*$/.test(value)) {
        throw new NetworkError('Address', `${JSON.stringify(value)} is not a value of the sysctl ${key}`);
      }
      const path = key.includes('/') ? key : key.replaceAll('.', '/');
      return [`/proc/sys/${path}` as SysctlPath, value as SysctlValue];
    }),
  );
}
