import { readFile } from 'node:fs/promises';
import type { Clock } from '../../../../shared/clock.ts';
import { messageOf } from '../../../../shared/errors.ts';
import { Auditor, type AuditorDeps } from './auditor.ts';
import { AuditLogFile } from './log-file.ts';
import { parsePolicy } from './policy.ts';

const megabyte = 1024 * 1024;

/** Paths of the policy and of the log (`-`: standard output). Both or none. */
export interface AuditOptions {
  readonly auditPolicyFile?: string;
  readonly auditLogPath?: string;
  /** Megabytes; 100 by default, as in Kubernetes. */
  readonly auditLogMaxSize?: number;
  /** How many rotated files are kept; 0, the default: all. */
  readonly auditLogMaxBackups?: number;
  /** `batch` by default; `blocking-strict`: a request is not carried out before its first event is written. */
  readonly auditLogMode?: 'batch' | 'blocking-strict';
}

/** An auditor by these options. Throws Error when the policy is invalid or the log cannot be written. */
export async function createAuditor(
  options: AuditOptions,
  deps: Omit<AuditorDeps, 'audit' | 'clock'> & { readonly clock: Clock },
): Promise<Auditor> {
  const { auditPolicyFile: file, auditLogPath: path, auditLogMaxSize = 100, auditLogMaxBackups = 0 } = options;
  if (!file && !path) return new Auditor(deps);
  if (!file || !path) throw new Error('auditing needs both --audit-policy-file and --audit-log-path');
  const policy = await readFile(file, 'utf8')
    .then(parsePolicy)
    .catch((error: unknown) => {
      throw new Error(`${file}: ${messageOf(error)}`, { cause: error });
    });
  const sink = new AuditLogFile({ path, maxBytes: auditLogMaxSize * megabyte, maxBackups: auditLogMaxBackups }, deps);
  await sink.start();
  return new Auditor({ ...deps, audit: { policy, sink, strict: options.auditLogMode === 'blocking-strict' } });
}
