import { isDeepStrictEqual } from 'node:util';
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  RoleRef,
  StatusCause,
  Subject,
} from '../../generated/types.ts';
import { GoValue, invalid, notSupported, required } from '../../schema/causes.ts';
import { isDnsSubdomain, isPathSegment } from '../../schema/formats.ts';
import { validateLabelSelector } from '../../selector.ts';
import { ageColumn, createdAtColumn, nameColumn, text, wide } from '../columns/columns.ts';
import type { Behaviour, Column, Strategy } from '../kind.ts';

export const rbacGroup = 'rbac.authorization.k8s.io';

type Binding = RoleBinding | ClusterRoleBinding;

export const role: Behaviour<Role> = {
  nameFormat: isPathSegment,
  columns: [nameColumn, createdAtColumn],
  strategy: {
    validate({ rules }, causes) {
      validateRules(rules, true, causes);
    },
  },
};

export const clusterRole: Behaviour<ClusterRole> = {
  nameFormat: isPathSegment,
  columns: [nameColumn, createdAtColumn],
  strategy: {
    validate({ rules, aggregationRule }, causes) {
      validateRules(rules, false, causes);
      for (const [index, selector] of (aggregationRule?.clusterRoleSelectors ?? []).entries()) {
        validateLabelSelector(selector, `aggregationRule.clusterRoleSelectors[${index}]`, causes);
      }
    },
  },
};

export const roleBinding: Behaviour<RoleBinding> = {
  nameFormat: isPathSegment,
  columns: bindingColumns<RoleBinding>(),
  strategy: bindingStrategy<RoleBinding>(['Role', 'ClusterRole'], true),
};

export const clusterRoleBinding: Behaviour<ClusterRoleBinding> = {
  nameFormat: isPathSegment,
  columns: bindingColumns<ClusterRoleBinding>(),
  strategy: bindingStrategy<ClusterRoleBinding>(['ClusterRole'], false),
};

function bindingStrategy<T extends Binding>(roleKinds: readonly string[], namespaced: boolean): Strategy<T> {
  return {
    default({ subjects }) {
      for (const subject of subjects ?? []) {
        if (!subject.apiGroup && (subject.kind === 'User' || subject.kind === 'Group')) subject.apiGroup = rbacGroup;
      }
    },
    validate({ roleRef, subjects }, causes) {
      if (roleRef) validateRoleRef(roleRef, roleKinds, causes);
      for (const [index, subject] of (subjects ?? []).entries()) {
        validateSubject(subject, namespaced, `subjects[${index}]`, causes);
      }
    },
    validateUpdate({ roleRef }, old, causes) {
      if (isDeepStrictEqual(roleRef, old.roleRef)) return;
      const { apiGroup = '', kind = '', name = '' } = roleRef ?? {};
      const fields = `APIGroup:${JSON.stringify(apiGroup)}, Kind:${JSON.stringify(kind)}, Name:${JSON.stringify(name)}`;
      causes.push(invalid('roleRef', new GoValue('rbac.RoleRef', fields), 'cannot change roleRef'));
    },
  };
}

function validateRules(rules: readonly PolicyRule[] | undefined, namespaced: boolean, causes: StatusCause[]): void {
  for (const [index, rule] of (rules ?? []).entries()) validateRule(rule, namespaced, `rules[${index}]`, causes);
}

function validateRule(rule: PolicyRule, namespaced: boolean, field: string, causes: StatusCause[]): void {
  const { apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  if (nonResourceURLs.length > 0) {
    const path = `${field}.nonResourceURLs`;
    if (namespaced) {
      causes.push(invalid(path, nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs'));
    }
    if (apiGroups.length + resources.length + resourceNames.length > 0) {
      const fault = 'rules cannot apply to both regular resources and non-resource URLs';
      causes.push(invalid(path, nonResourceURLs, fault));
    }
    return;
  }
  if (apiGroups.length === 0) {
    causes.push(required(`${field}.apiGroups`, 'resource rules must supply at least one api group'));
  }
  if (resources.length === 0) {
    causes.push(required(`${field}.resources`, 'resource rules must supply at least one resource'));
  }
}

function validateRoleRef({ apiGroup, kind, name }: RoleRef, kinds: readonly string[], causes: StatusCause[]): void {
  if (apiGroup !== rbacGroup) causes.push(notSupported('roleRef.apiGroup', apiGroup ?? '', [rbacGroup]));
  if (kind && !kinds.includes(kind)) causes.push(notSupported('roleRef.kind', kind, kinds, 'as given'));
  const fault = name && isPathSegment(name);
  if (fault) causes.push(invalid('roleRef.name', name, fault));
}

function validateSubject(
  { kind, apiGroup = '', name, namespace }: Subject,
  namespaced: boolean,
  field: string,
  causes: StatusCause[],
): void {
  switch (kind) {
    case 'ServiceAccount': {
      const fault = name && isDnsSubdomain(name);
      if (fault) causes.push(invalid(`${field}.name`, name, fault));
      if (apiGroup) causes.push(notSupported(`${field}.apiGroup`, apiGroup, ['']));
      if (!namespaced && !namespace) causes.push(required(`${field}.namespace`));
      return;
    }
    case 'User':
    case 'Group':
      if (name === '') causes.push(invalid(`${field}.name`, name, `${kind.toLowerCase()} name cannot be empty`));
      if (apiGroup !== rbacGroup) causes.push(notSupported(`${field}.apiGroup`, apiGroup, [rbacGroup]));
      return;
    default:
      if (kind) causes.push(notSupported(`${field}.kind`, kind, ['ServiceAccount', 'User', 'Group'], 'as given'));
  }
}

function bindingColumns<T extends Binding>(): Column<T>[] {
  const names = ({ subjects = [] }: T, kind: string): string =>
    subjects
      .filter((subject) => subject.kind === kind)
      .map(({ namespace, name }) => (namespace && kind === 'ServiceAccount' ? `${namespace}/${name}` : name))
      .join(', ');
  return [
    nameColumn,
    text('Role', 'The granted role.', ({ roleRef }) => `${roleRef.kind}/${roleRef.name}`),
    ageColumn as Column<T>,
    wide('Users', 'The users with the role.', (object) => names(object, 'User')),
    wide('Groups', 'The groups with the role.', (object) => names(object, 'Group')),
    wide('ServiceAccounts', 'The service accounts with the role.', (object) => names(object, 'ServiceAccount')),
  ];
}
