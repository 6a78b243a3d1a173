/** The annotation for a storage class, older than the field. */
export const classAnnotation = 'volume.beta.kubernetes.io/storage-class';
export const classAdvice = `metadata.annotations[${classAnnotation}]: deprecated since v1.8; use "storageClassName" attribute instead`;
