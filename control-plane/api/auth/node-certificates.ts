import type { NodeEnrollment } from '../../../shared/generated/types.ts';
import type { Objects } from './tokens/objects.ts';

/** A node as its certificate names it. */
export interface CertifiedNode {
  readonly name: string;
  /** That of the enrollment; undefined in a certificate from before enrollments. */
  readonly uid: string | undefined;
}

/** Checks whether certificates of nodes are still valid: a node may have been removed, or its name enrolled again. */
export class NodeCertificates {
  readonly #objects: Objects;

  constructor(objects: Objects) {
    this.#objects = objects;
  }

  /**
   * No promise where the cache shows that it is valid; else the store is read, as the cache may not show a new enrollment yet.
   * Rejects when the store cannot be read.
   */
  isGood(node: CertifiedNode): boolean | Promise<boolean> {
    if (isEnrolled(node, this.#objects.cached('NodeEnrollment', node.name))) return true;
    return this.#objects.fresh('NodeEnrollment', node.name).then((enrollment) => isEnrolled(node, enrollment));
  }
}

/** A certificate without a uid is valid until its name is enrolled again or removed. */
export function isEnrolled({ uid }: CertifiedNode, enrollment: NodeEnrollment | undefined): boolean {
  if (!enrollment) return uid === undefined;
  const { removed, certificateUID, acceptsWithoutUID } = enrollment.spec;
  if (removed) return false;
  return uid === undefined ? acceptsWithoutUID === true : certificateUID === uid;
}
