/** The annotation that named a storage class before there was a field for it. */
export const classAnnotation = 'volume.beta.kubernetes.io/storage-class';
export const classAdvice = `metadata.annotations[${classAnnotation}]: deprecated since v1.8; use "storageClassName" attribute instead`;
