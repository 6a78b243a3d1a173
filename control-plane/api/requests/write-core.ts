import { SharedFieldSets } from '../../store/cache/field-sets.ts';
import { AdmissionChain } from '../admission/chain.ts';
import type { AdmissionPlugin } from '../admission/plugin.ts';
import { Core, type CoreDeps } from './core.ts';
import type { WriteHook } from './write-hook.ts';

export interface WriteCoreDeps extends CoreDeps {
  /** In the order in which they are called. */
  readonly plugins: readonly AdmissionPlugin[];
  readonly writeHooks: readonly WriteHook[];
}

/** What every write needs: admission, and what is stored along with an object. */
export class WriteCore extends Core {
  readonly admission: AdmissionChain;
  /** Shared by the objects that are created here. */
  readonly fieldSets = new SharedFieldSets();
  readonly writeHooks: readonly WriteHook[];

  constructor(deps: WriteCoreDeps) {
    super(deps);
    this.admission = new AdmissionChain(deps.plugins, deps);
    this.writeHooks = deps.writeHooks;
  }
}
