import type { HorizontalPodAutoscaler, Kind, LabelSelector, Pod } from '../../../shared/generated/types.ts';
import type { Informers } from '../../../shared/informer.ts';
import { kinds } from '../../../shared/kinds/index.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { matchesLabels, type Selector, selectorOf, selectorOfMap } from '../../../shared/selector.ts';

/** What an autoscaler scales, as its `scale` subresource shows it. */
export interface Target {
  readonly kind: Kind;
  readonly name: string;
  readonly replicas: number;
  readonly selector: Selector;
}

interface Scalable extends KubeObject {
  readonly spec: { readonly replicas?: number; readonly selector?: LabelSelector | Record<string, string> };
}

/** The target, or why there is none. */
export function targetOf({ metadata, spec }: HorizontalPodAutoscaler, informers: Informers): Target | string {
  const { apiVersion = '', kind = '', name = '' } = spec.scaleTargetRef ?? {};
  const parts = apiVersion.split('/');
  if (parts.length > 2)
    return `invalid API version in scale target reference: unexpected GroupVersion string: ${apiVersion}`;
  const group = parts.length === 2 ? (parts[0] ?? '') : '';
  const def = kinds.find((one) => one.kind === kind && one.group === group);
  if (!def) return `no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(group)}`;
  if (!def.subresources.includes('scale')) return 'the server could not find the requested resource';
  const found = informers.of(def.kind as Kind).get(`${metadata.namespace}/${name}`);
  const resource = group === '' ? `${def.plural}/scale` : `${def.plural}/scale.${group}`;
  if (!found) return `${resource} ${JSON.stringify(name)} not found`;
  const { replicas = 0, selector } = (found as KubeObject as Scalable).spec;
  return { kind: def.kind as Kind, name, replicas, selector: readSelector(kind, selector) };
}

function readSelector(kind: string, selector: LabelSelector | Record<string, string> | undefined): Selector {
  return kind === 'ReplicationController'
    ? selectorOfMap(selector as Record<string, string> | undefined)
    : selectorOf(selector as LabelSelector | undefined);
}

/** The other autoscalers of the namespace that scale by some of the same pods. */
export function rivalsOf(
  autoscaler: HorizontalPodAutoscaler,
  pods: readonly Pod[],
  informers: Informers,
): HorizontalPodAutoscaler[] {
  const { namespace = '', name } = autoscaler.metadata;
  return [...informers.of('HorizontalPodAutoscaler').by('namespace', namespace)].filter((other) => {
    if (other.metadata.name === name) return false;
    const target = targetOf(other, informers);
    if (typeof target === 'string') return false;
    return pods.some(({ metadata }) => matchesLabels(target.selector, metadata.labels));
  });
}
