import type { NodeEnrollment } from '../../../shared/generated/types.ts';
import type { Objects } from './tokens/objects.ts';

/** A node as its certificate names it. */
export interface CertifiedNode {
  readonly name: string;
  /** The enrollment's; undefined in a certificate that is older than enrollments. */
  readonly uid: string | undefined;
}

/** Says whether certificates of nodes still count: a node may have been removed, or its name enrolled anew. */
export class NodeCertificates {
  readonly #objects: Objects;

  constructor(objects: Objects) {
    this.#objects = objects;
  }

  /**
   * At hand at once where the cache shows that it is good; else the store is asked, since the enrollment may have been made
   * a moment ago. Rejects when it cannot be told.
   */
  isGood(node: CertifiedNode): boolean | Promise<boolean> {
    if (isEnrolled(node, this.#objects.cached('NodeEnrollment', node.name))) return true;
    return this.#objects.fresh('NodeEnrollment', node.name).then((enrollment) => isEnrolled(node, enrollment));
  }
}

/** A certificate without a uid counts until the name is enrolled anew or removed, and never again after that. */
export function isEnrolled({ uid }: CertifiedNode, enrollment: NodeEnrollment | undefined): boolean {
  if (!enrollment) return uid === undefined;
  const { removed, certificateUID, acceptsWithoutUID } = enrollment.spec;
  if (removed) return false;
  return uid === undefined ? acceptsWithoutUID === true : certificateUID === uid;
}
