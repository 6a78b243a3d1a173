import type {
  NonResourceAttributes,
  ResourceAttributes,
  SelfSubjectAccessReviewSpec,
  SubjectRulesReviewStatus,
} from '../../shared/generated/types.ts';
import { builtinKinds } from '../../shared/kinds/index.ts';
import type { Cluster } from '../cluster.ts';
import { UsageError } from '../io.ts';
import { renderTable } from '../render/table.ts';

export interface CanIFlags {
  readonly verb?: string;
  /** `pods`, `pods/web`, `deployments.apps`, or a path: `/metrics`. */
  readonly resource?: string;
  readonly name?: string;
  readonly subresource?: string;
  readonly allNamespaces: boolean;
  readonly list: boolean;
  /** Print nothing; only the exit code is set. */
  readonly quiet: boolean;
}

/** Prints yes or no, as `kubectl auth can-i`. Resolves with whether the user may. */
export async function canI({ client, namespace, io }: Cluster, flags: CanIFlags): Promise<boolean> {
  if (flags.list) {
    const { status } = await client.create('SelfSubjectRulesReview', { metadata: {}, spec: { namespace } });
    if (status) io.out(rulesTable(status));
    if (status?.incomplete) io.err(`warning: the list may be incomplete: ${status.evaluationError ?? ''}\n`);
    return true;
  }
  const spec = reviewSpecOf(flags, flags.allNamespaces ? '' : namespace);
  const { status } = await client.create('SelfSubjectAccessReview', { metadata: {}, spec });
  const allowed = status?.allowed ?? false;
  const why = [status?.reason, status?.evaluationError].filter((text) => text).join(' - ');
  if (!flags.quiet) io.out(`${allowed ? 'yes' : 'no'}${!allowed && why ? ` - ${why}` : ''}\n`);
  return allowed;
}

/** Prints the user that the server authenticated, as `kubectl auth whoami`. */
export async function whoAmI({ client, io }: Cluster): Promise<void> {
  const { status } = await client.create('SelfSubjectReview', { metadata: {}, status: {} });
  const { username = '', uid, groups = [], extra = {} } = status?.userInfo ?? {};
  const rows = [
    ['Username', username],
    ...(uid ? [['UID', uid]] : []),
    ...(groups.length > 0 ? [['Groups', bracketed(groups)]] : []),
    ...Object.entries(extra).map(([key, values]) => [`Extra: ${key}`, bracketed(values)]),
  ];
  io.out(renderTable(['ATTRIBUTE', 'VALUE'], rows));
}

function reviewSpecOf(
  { verb, resource, name, subresource }: CanIFlags,
  namespace: string,
): SelfSubjectAccessReviewSpec {
  if (!verb || !resource) throw new UsageError('you must specify two arguments: verb resource or verb resource/name');
  if (resource.startsWith('/')) {
    const nonResourceAttributes: NonResourceAttributes = { path: resource, verb };
    return { nonResourceAttributes };
  }
  const [word = '', named] = resource.split('/', 2);
  const kind = builtinKinds.find(word);
  const [plural = '', ...group] = word.split('.');
  const resourceAttributes: ResourceAttributes = {
    verb,
    group: kind?.group ?? (word === '*' ? '*' : group.join('.')),
    resource: kind?.plural ?? plural,
    ...(subresource ? { subresource } : {}),
    ...((named ?? name) ? { name: named ?? name } : {}),
    ...(namespace && kind?.namespaced !== false ? { namespace } : {}),
  };
  return { resourceAttributes };
}

function rulesTable({ resourceRules, nonResourceRules }: SubjectRulesReviewStatus): string {
  const resources = resourceRules.flatMap(({ verbs, apiGroups = [], resources: plurals = [], resourceNames = [] }) =>
    apiGroups.flatMap((group) =>
      plurals.map((plural) => [
        group ? `${plural}.${group}` : plural,
        '[]',
        bracketed(resourceNames),
        bracketed(verbs),
      ]),
    ),
  );
  const paths = nonResourceRules.flatMap(({ verbs, nonResourceURLs = [] }) =>
    nonResourceURLs.map((url) => ['', `[${url}]`, '[]', bracketed(verbs)]),
  );
  return renderTable(['RESOURCES', 'NON-RESOURCE URLS', 'RESOURCE NAMES', 'VERBS'], [...resources, ...paths]);
}

function bracketed(values: readonly string[]): string {
  return `[${values.join(' ')}]`;
}
