/** Why the node rejects a pod: the reason and the message of its status, in the kubelet's words. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}
