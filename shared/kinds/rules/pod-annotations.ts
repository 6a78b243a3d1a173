import type { PodSpec, StatusCause } from '../../generated/types.ts';
import { invalid } from '../../schema/causes.ts';

export const deletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost';
/** The annotation of a mirror pod. */
export const mirrorAnnotation = 'kubernetes.io/config.mirror';

type Annotations = Readonly<Record<string, string>>;

/** A pod's deletion cost: 0 without the annotation, undefined when that is no 32-bit integer. */
export function deletionCost(annotations: Annotations | undefined): number | undefined {
  const text = annotations?.[deletionCostAnnotation];
  if (text === undefined) return 0;
  if (!/^(0|-\d{1,10}|[1-9]\d{0,9})$/.test(text)) return undefined;
  const cost = Number(text);
  return cost === (cost | 0) ? cost | 0 : undefined;
}

/** The rules of a pod's annotations (Kubernetes, `ValidatePodSpecificAnnotations`). `field`: the path of the annotations. */
export function validatePodAnnotations(
  annotations: Annotations,
  spec: Pick<PodSpec, 'nodeName'>,
  field: string,
  causes: StatusCause[],
): void {
  if (annotations[mirrorAnnotation] !== undefined && !spec.nodeName) {
    const fault = 'must set spec.nodeName if mirror pod annotation is set';
    causes.push(invalid(`${field}[${mirrorAnnotation}]`, annotations[mirrorAnnotation], fault));
  }
  if (deletionCost(annotations) === undefined) {
    const path = `${field}[${deletionCostAnnotation}]`;
    causes.push(invalid(path, annotations[deletionCostAnnotation], 'must be a 32bit integer'));
  }
}
