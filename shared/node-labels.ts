type Labels = Readonly<Record<string, string>>;

/** The changed labels that a node must not write, as Kubernetes lists them; undefined for none. */
export function forbiddenNodeLabels(next: Labels = {}, old: Labels = {}): string | undefined {
  const changed = [...new Set([...Object.keys(next), ...Object.keys(old)])].filter((key) => next[key] !== old[key]);
  const found = changed.filter((key) => {
    const [domain] = key.includes('/') ? key.split('/') : [''];
    if (isIn(domain, 'node-restriction.kubernetes.io')) return true;
    return (isIn(domain, 'kubernetes.io') || isIn(domain, 'k8s.io')) && !isKubeletLabel(key, domain);
  });
  return found.length > 0 ? found.sort().join(', ') : undefined;
}

/** The labels that a kubelet reports (`kubelet/pkg/apis/well_known_labels.go`). */
const kubeletLabels: ReadonlySet<string> = new Set([
  ...['hostname', 'os', 'arch'].map((name) => `kubernetes.io/${name}`),
  ...['os', 'arch', 'instance-type'].map((name) => `beta.kubernetes.io/${name}`),
  ...['zone', 'region'].flatMap((name) => [
    `topology.kubernetes.io/${name}`,
    `failure-domain.beta.kubernetes.io/${name}`,
  ]),
]);

function isKubeletLabel(key: string, domain: string | undefined): boolean {
  return kubeletLabels.has(key) || isIn(domain, 'kubelet.kubernetes.io') || isIn(domain, 'node.kubernetes.io');
}

function isIn(domain: string | undefined, parent: string): boolean {
  return domain === parent || (domain?.endsWith(`.${parent}`) ?? false);
}
