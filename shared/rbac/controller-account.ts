import type { PolicyRule } from '../generated/types.ts';

/** A controller's service account in kube-system, with the rules of its ClusterRole `system:controller:NAME`, as in Kubernetes. */
export interface ControllerAccount {
  readonly name: string;
  readonly rules: readonly PolicyRule[];
}
