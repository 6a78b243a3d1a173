/** Why an object of the control plane cannot be used. The node goes on without the object. */
export class Unusable extends Error {
  override readonly name = 'Unusable';
}
