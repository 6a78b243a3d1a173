import type { Ingress } from '../../../../shared/generated/types.ts';
import { classAnnotation, isDefaultIngressClass } from '../../../../shared/kinds/networking/ingress.ts';
import { forbidden } from '../../requests/refusals.ts';
import type { AdmissionPlugin } from '../plugin.ts';

/** Gives an Ingress without a class the default one (Kubernetes' DefaultIngressClass). */
export const defaultIngressClass: AdmissionPlugin = {
  name: 'DefaultIngressClass',
  rules: [{ verbs: ['create'], kinds: ['Ingress'] }],
  mutate({ entry, name }, object, _old, reader) {
    const { spec, metadata } = object as Ingress;
    if (!spec || spec.ingressClassName !== undefined || metadata.annotations?.[classAnnotation] !== undefined) return;
    const classes = reader.list('IngressClass').filter(isDefaultIngressClass);
    if (classes.length > 1) {
      throw forbidden(entry, name, `${classes.length} default IngressClasses were found, only 1 allowed`);
    }
    const [only] = classes;
    if (only) spec.ingressClassName = only.metadata.name;
  },
};
