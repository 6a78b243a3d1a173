import { parse as parseYaml } from 'yaml';
import { messageOf } from '../../../../shared/errors.ts';
import { isRecord } from '../../../../shared/records.ts';
import { isDnsSubdomain } from '../../../../shared/schema/formats.ts';
import { withoutEnding } from '../../../../shared/text.ts';
import type { Identity } from '../../auth/identity.ts';
import type { RequestInfo } from '../request-info.ts';

/** How much of a request is written, from least to most. */
const auditLevels = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
type AuditLevel = (typeof auditLevels)[number];

const auditStages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type AuditStage = (typeof auditStages)[number];

interface GroupResources {
  readonly group?: string;
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
}

interface PolicyRule {
  readonly level: AuditLevel;
  readonly users?: readonly string[];
  readonly userGroups?: readonly string[];
  readonly verbs?: readonly string[];
  readonly resources?: readonly GroupResources[];
  readonly namespaces?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly omitStages?: readonly AuditStage[];
  readonly omitManagedFields?: boolean;
}

/** A Policy of audit.k8s.io/v1. */
export interface AuditPolicy {
  readonly rules: readonly PolicyRule[];
  readonly omitStages: readonly AuditStage[];
  readonly omitManagedFields: boolean;
}

/** What rules are matched against. */
export interface AuditedRequest extends RequestInfo {
  readonly identity: Identity;
}

/** What the policy wants of one request. */
export interface AuditDecision {
  readonly level: AuditLevel;
  readonly omitStages: readonly AuditStage[];
  readonly omitManagedFields: boolean;
}

/** Resources that hold credentials: their bodies are written only where a rule names them. */
const confidential: ReadonlySet<string> = new Set([
  '/secrets',
  '/serviceaccounts/token',
  'authentication.k8s.io/tokenreviews',
  'coracle.io/jointokens',
]);

/** The first rule that matches decides, as in Kubernetes; a request that no rule matches is not written. */
export function decideAudit(policy: AuditPolicy, request: AuditedRequest): AuditDecision {
  const rule = policy.rules.find((candidate) => fits(candidate, request));
  const omitStages = rule?.omitStages ? [...policy.omitStages, ...rule.omitStages] : policy.omitStages;
  const omitManagedFields = rule?.omitManagedFields ?? policy.omitManagedFields;
  return { level: rule ? levelBy(rule, request) : 'None', omitStages, omitManagedFields };
}

function levelBy({ level, resources }: PolicyRule, request: AuditedRequest): AuditLevel {
  if (level === 'None' || level === 'Metadata' || request.resource === undefined) return level;
  const { group = '', resource } = request;
  const full = request.subresource ? `${resource}/${request.subresource}` : resource;
  if (!confidential.has(`${group}/${full}`)) return level;
  const named = resources?.some((one) => (one.group ?? '') === group && one.resources?.includes(full));
  return named ? level : 'Metadata';
}

function fits(rule: PolicyRule, request: AuditedRequest): boolean {
  const { identity, verb } = request;
  if (rule.users?.length && !rule.users.includes(identity.user)) return false;
  if (rule.userGroups?.length && !rule.userGroups.some((group) => identity.groups.includes(group))) return false;
  if (rule.verbs?.length && !rule.verbs.includes(verb)) return false;
  const ofResources = (rule.resources?.length ?? 0) > 0 || (rule.namespaces?.length ?? 0) > 0;
  const ofPaths = (rule.nonResourceURLs?.length ?? 0) > 0;
  if (!ofResources && !ofPaths) return true;
  if (request.resource === undefined) {
    const { path = '' } = request;
    return rule.nonResourceURLs?.some((pattern) => fitsPath(pattern, path)) ?? false;
  }
  if (!ofResources) return false;
  if (rule.namespaces?.length && !rule.namespaces.includes(request.namespace ?? '')) return false;
  return !rule.resources?.length || rule.resources.some((resources) => fitsResource(resources, request));
}

function fitsPath(pattern: string, path: string): boolean {
  if (pattern === '*' || pattern === path) return true;
  return pattern.endsWith('*') && path.startsWith(withoutEnding(pattern, '*'));
}

function fitsResource({ group = '', resources, resourceNames }: GroupResources, request: AuditedRequest): boolean {
  if (group !== (request.group ?? '')) return false;
  if (!resources?.length) return true;
  if (resourceNames?.length && !resourceNames.includes(request.name ?? '')) return false;
  const { resource, subresource } = request;
  return resources.some((wanted) => {
    // `pods/*` includes pods themselves.
    if (wanted === '*' || wanted === `${resource}/*`) return true;
    if (!subresource) return wanted === resource;
    return wanted === `${resource}/${subresource}` || wanted === `*/${subresource}`;
  });
}

/** Reads a policy file, YAML or JSON. Throws Error whose one line names the invalid field. */
export function parsePolicy(text: string): AuditPolicy {
  let read: unknown;
  try {
    read = parseYaml(text, { maxAliasCount: 100 });
  } catch (error) {
    throw new Error(`the audit policy is no YAML: ${messageOf(error)}`);
  }
  const policy = record(read, 'the audit policy');
  if (policy.apiVersion !== 'audit.k8s.io/v1' || policy.kind !== 'Policy') {
    throw new Error('the audit policy must be a Policy of audit.k8s.io/v1');
  }
  if (!Array.isArray(policy.rules) || policy.rules.length === 0) throw new Error('the audit policy has no rules');
  const known = ['apiVersion', 'kind', 'metadata', 'rules', 'omitStages', 'omitManagedFields'];
  refuseOthers(policy, known, 'the audit policy');
  return {
    rules: policy.rules.map((rule, index) => readRule(rule, `rules[${index}]`)),
    omitStages: stages(policy.omitStages, 'omitStages'),
    omitManagedFields: policy.omitManagedFields === true,
  };
}

const ruleFields = [
  'level',
  'users',
  'userGroups',
  'verbs',
  'resources',
  'namespaces',
  'nonResourceURLs',
  'omitStages',
  'omitManagedFields',
];

function readRule(given: unknown, at: string): PolicyRule {
  const rule = record(given, at);
  refuseOthers(rule, ruleFields, at);
  if (!auditLevels.includes(rule.level as AuditLevel)) {
    throw new Error(`${at}.level: one of ${auditLevels.join(', ')} is expected`);
  }
  const lists = ['users', 'userGroups', 'verbs', 'namespaces', 'nonResourceURLs'];
  for (const list of lists) strings(rule[list], `${at}.${list}`);
  stages(rule.omitStages, `${at}.omitStages`);
  const resources = rule.resources ?? [];
  if (!Array.isArray(resources)) throw new Error(`${at}.resources: a list is expected`);
  for (const [index, one] of resources.entries()) {
    const where = `${at}.resources[${index}]`;
    const group = record(one, where);
    refuseOthers(group, ['group', 'resources', 'resourceNames'], where);
    strings(group.resources, `${where}.resources`);
    strings(group.resourceNames, `${where}.resourceNames`);
    if (typeof (group.group ?? '') !== 'string') throw new Error(`${where}.group: a text is expected`);
    if (group.group && isDnsSubdomain(String(group.group))) {
      throw new Error(`${where}.group: "${group.group}" is no group: a version does not belong to it`);
    }
    if ((group.resourceNames as string[] | undefined)?.length && !(group.resources as string[] | undefined)?.length) {
      throw new Error(`${where}.resourceNames: using resourceNames requires at least one resource`);
    }
  }
  for (const [index, url] of ((rule.nonResourceURLs ?? []) as string[]).entries()) {
    const where = `${at}.nonResourceURLs[${index}]`;
    if (url !== '*' && !url.startsWith('/'))
      throw new Error(`${where}: non-resource URL rules must begin with a '/' character`);
    if (url.slice(0, -1).includes('*')) {
      throw new Error(`${where}: non-resource URL wildcards '*' must be the final character of the rule`);
    }
  }
  const paths = (rule.nonResourceURLs as string[] | undefined)?.length;
  if (paths && (resources.length > 0 || (rule.namespaces as string[] | undefined)?.length)) {
    throw new Error(`${at}: rules cannot apply to both regular resources and non-resource URLs`);
  }
  return rule as unknown as PolicyRule;
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (!isRecord(value)) throw new Error(`${what} is no object`);
  return value;
}

function refuseOthers(value: object, known: readonly string[], what: string): void {
  const other = Object.keys(value).find((key) => !known.includes(key));
  if (other !== undefined) throw new Error(`${what}: unknown field "${other}"`);
}

function strings(value: unknown, at: string): readonly string[] {
  const list = value ?? [];
  if (!Array.isArray(list) || list.some((one) => typeof one !== 'string'))
    throw new Error(`${at}: a list of texts is expected`);
  return list as string[];
}

function stages(value: unknown, at: string): readonly AuditStage[] {
  const list = strings(value, at);
  const wrong = list.find((stage) => !auditStages.includes(stage as AuditStage));
  if (wrong !== undefined) throw new Error(`${at}: "${wrong}" is none of ${auditStages.join(', ')}`);
  return list as readonly AuditStage[];
}
