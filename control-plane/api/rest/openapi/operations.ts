import { messages } from '../../../../shared/generated/schema.ts';
import type { KindDef } from '../../../../shared/kinds/kind.ts';
import { apiVersionOf } from '../../../../shared/kinds/names.ts';
import { type Subresource, verbsOf } from '../../../../shared/kinds/table.ts';
import { subresourceInfo } from '../discovery/discovery.ts';
import { contentTypes } from '../encoding/negotiate.ts';
import { patchTypes } from '../handlers/write-body.ts';
import { gvkOf, meta, reference, type Version } from './schemas.ts';

/** The operations of a kind, as the paths of an OpenAPI document. */
export function pathsOf(def: KindDef, version: Version): Record<string, object> {
  const root = rootOf(def);
  const home = def.namespaced ? `${root}/namespaces/{namespace}/${def.plural}` : `${root}/${def.plural}`;
  const within = def.namespaced ? ['namespace'] : [];
  const pathOf = (
    methods: readonly Method[],
    parameters: readonly string[],
    sub?: Subresource,
    everywhere = false,
  ) => ({
    ...Object.fromEntries(
      methods.map((method) => [method, operation({ def, method, sub, everywhere }, parameters, version)]),
    ),
    parameters: parameters.map((name) => pathParameter(name, version)),
  });
  const served = verbsOf(def);
  const has = (verb: string): boolean => (served as readonly string[]).includes(verb);
  const some = (pairs: Readonly<Record<string, Method>>): Method[] =>
    Object.entries(pairs).flatMap(([verb, method]) => (has(verb) ? [method] : []));
  const ofOne = some({ get: 'get', update: 'put', patch: 'patch', delete: 'delete' });
  const ofAll = some({ list: 'get', create: 'post', deletecollection: 'delete' });
  return {
    ...(def.namespaced && has('list') ? { [`${root}/${def.plural}`]: pathOf(['get'], [], undefined, true) } : {}),
    ...(ofAll.length > 0 ? { [home]: pathOf(ofAll, within) } : {}),
    ...(ofOne.length > 0 ? { [`${home}/{name}`]: pathOf(ofOne, ['name', ...within]) } : {}),
    ...Object.fromEntries(
      def.subresources.flatMap((sub) => {
        const methods = methodsOf(subresourceInfo(def, sub).verbs);
        const path = `${home}/{name}/${sub}`;
        const own = [path, pathOf(methods, ['name', ...within], sub)];
        return sub === 'proxy' ? [own, [`${path}/{path}`, pathOf(methods, ['name', ...within, 'path'], sub)]] : [own];
      }),
    ),
  };
}

/** The path of a kind's group and version: `/apis/apps/v1`, `/api/v1`. */
export function rootOf(def: KindDef): string {
  return def.group ? `/apis/${apiVersionOf(def)}` : `/api/${def.version}`;
}

/** The messages in a kind's operations. */
export function messagesOf(def: KindDef): string[] {
  const subs = def.subresources.map((sub) => subMessage(def, sub)).filter((name) => name !== undefined);
  return [
    def.message,
    `${def.message}List`,
    `${meta}.ListMeta`,
    ...subs,
    `${meta}.DeleteOptions`,
    `${meta}.Status`,
  ].filter((name) => messages[name]);
}

type Method = 'get' | 'put' | 'post' | 'patch' | 'delete';

interface Operation {
  readonly def: KindDef;
  readonly method: Method;
  readonly sub?: Subresource;
  /** Over all namespaces. */
  readonly everywhere: boolean;
}

const produced = Object.values(contentTypes);

/** Query parameters: their types and descriptions. */
const queries: Readonly<Record<string, readonly [type: 'string' | 'boolean' | 'integer', description: string]>> = {
  pretty: ['string', 'Indent the answer.'],
  dryRun: ['string', '"All": check everything, store nothing.'],
  fieldManager: ['string', 'The name of the client, which owns the fields that it sets.'],
  fieldValidation: ['string', 'How unknown and duplicate fields are handled: Ignore, Warn or Strict.'],
  force: ['boolean', 'Take over fields of other managers. Only with apply.'],
  labelSelector: ['string', 'Only objects with these labels.'],
  fieldSelector: ['string', 'Only objects whose fields have these values.'],
  limit: ['integer', 'The most items of a page.'],
  continue: ['string', 'The token of the previous page.'],
  resourceVersion: ['string', 'The version to read, or to begin a watch after.'],
  resourceVersionMatch: ['string', 'How resourceVersion applies: NotOlderThan or Exact.'],
  timeoutSeconds: ['integer', 'The timeout of a watch, in seconds.'],
  watch: ['boolean', 'Watch changes instead of listing.'],
  allowWatchBookmarks: ['boolean', 'Send bookmark events with the current version.'],
  sendInitialEvents: ['boolean', 'Begin the watch with the present objects and a bookmark after them.'],
  gracePeriodSeconds: ['integer', 'How long the object may take to stop, in seconds.'],
  propagationPolicy: ['string', 'How dependents are handled: Orphan, Background or Foreground.'],
};
const writing = ['dryRun', 'fieldManager', 'fieldValidation'];
const selecting = ['labelSelector', 'fieldSelector', 'limit', 'continue', 'resourceVersion', 'resourceVersionMatch'];
const deleting = ['dryRun', 'gracePeriodSeconds', 'propagationPolicy'];

function operation(given: Operation, within: readonly string[], version: Version): object {
  const { def, method, sub, everywhere } = given;
  const collection = sub === undefined && !within.includes('name');
  const connects = actionOf(method, sub, collection) === 'connect';
  const names = connects ? [] : ['pretty', ...parameterNames(method, sub, collection)];
  const parameters: object[] = names.map((name) => queryParameter(name, version));
  const { body, answer } = connects ? { body: null, answer: undefined } : bodiesOf(given, collection);
  const schemaOf = (message: string | undefined): object =>
    message ? { $ref: reference(message, version) } : { type: method === 'get' || connects ? 'string' : 'object' };
  const consumes = method === 'patch' ? Object.keys(patchTypes) : ['*/*'];
  const writes = method === 'put' || method === 'post' || method === 'patch';
  if (version === 2 && body !== null) {
    parameters.push({ name: 'body', in: 'body', ...(writes ? { required: true } : {}), schema: schemaOf(body) });
  }
  const response = (description: string): object =>
    version === 2
      ? { description, schema: schemaOf(answer) }
      : { description, content: Object.fromEntries(produced.map((type) => [type, { schema: schemaOf(answer) }])) };
  const codes = { '200': response('OK'), ...(method === 'post' ? { '201': response('Created') } : {}) };
  return {
    operationId: operationId(given, collection, everywhere) + (within.includes('path') ? 'WithPath' : ''),
    tags: [def.group ? `${camel(def.group, false)}_${def.version}` : `core_${def.version}`],
    ...(version === 2 ? { consumes, produces: produced } : {}),
    parameters,
    ...(version === 3 && body !== null
      ? {
          requestBody: {
            ...(writes ? { required: true } : {}),
            content: Object.fromEntries(consumes.map((type) => [type, { schema: schemaOf(body) }])),
          },
        }
      : {}),
    responses: codes,
    'x-kubernetes-action': actionOf(method, sub, collection),
    'x-kubernetes-group-version-kind': (sub && subresourceInfo(def, sub).kind) ?? gvkOf(def),
  };
}

function parameterNames(method: Method, sub: Subresource | undefined, collection: boolean): readonly string[] {
  switch (method) {
    case 'get':
      if (!collection) return sub ? [] : ['resourceVersion'];
      return [...selecting, 'timeoutSeconds', 'watch', 'allowWatchBookmarks', 'sendInitialEvents'];
    case 'delete':
      return collection ? [...selecting, ...deleting] : deleting;
    case 'patch':
      return [...writing, 'force'];
    default:
      return writing;
  }
}

/** The messages of a request's body and answer. A body of null: there is none; undefined: an object of any kind. */
function bodiesOf({ def, method, sub }: Operation, collection: boolean) {
  const own = sub ? subMessage(def, sub) : def.message;
  const status = `${meta}.Status`;
  if (method === 'delete') return { body: `${meta}.DeleteOptions`, answer: status };
  if (method === 'get') {
    const list = `${def.message}List`;
    return { body: null, answer: collection && (messages[list] || def.schema.openApi) ? list : own };
  }
  return { body: method === 'patch' ? undefined : own, answer: own };
}

/** The message of a subresource; undefined when it is not an object. */
function subMessage(def: KindDef, sub: Subresource): string | undefined {
  if (sub === 'log') return undefined;
  const { kind } = subresourceInfo(def, sub);
  if (!kind) return def.message;
  const name = `k8s.io.api.${kind.group.split('.')[0] || 'core'}.${kind.version}.${kind.kind}`;
  return messages[name] ? name : undefined;
}

function methodsOf(verbs: readonly string[]): Method[] {
  const methods: Readonly<Record<string, Method>> = {
    get: 'get',
    create: 'post',
    update: 'put',
    patch: 'patch',
    delete: 'delete',
  };
  return verbs.flatMap((verb) => methods[verb] ?? []);
}

function actionOf(method: Method, sub: Subresource | undefined, collection: boolean): string {
  if (sub && ['exec', 'attach', 'portforward', 'proxy'].includes(sub)) return 'connect';
  if (collection) return method === 'get' ? 'list' : method === 'delete' ? 'deletecollection' : method;
  return method;
}

/** `listCoreV1NamespacedPod`, `readAppsV1NamespacedDeploymentScale`: as Kubernetes names them. */
function operationId({ def, method, sub }: Operation, collection: boolean, everywhere: boolean): string {
  const words: Readonly<Record<Method, string>> = {
    get: collection ? 'list' : 'read',
    put: 'replace',
    post: 'create',
    patch: 'patch',
    delete: 'delete',
  };
  const connects = actionOf(method, sub, collection) === 'connect';
  const action = connects ? `connect${camel(method, true)}` : words[method];
  const home = `${def.group ? camel(def.group, true) : 'Core'}${camel(def.version, true)}`;
  const many = collection && method === 'delete' ? 'Collection' : '';
  const scope = def.namespaced && !everywhere ? 'Namespaced' : '';
  const tail = sub ? camel(sub, true) : everywhere ? 'ForAllNamespaces' : '';
  return `${action}${home}${many}${scope}${def.kind}${tail}`;
}

/** `rbac.authorization.k8s.io` → RbacAuthorization. */
function camel(text: string, upper: boolean): string {
  const words = text.replace(/\.k8s\.io$/, '').split('.');
  return words.map((word, at) => (at > 0 || upper ? word.charAt(0).toUpperCase() + word.slice(1) : word)).join('');
}

function queryParameter(name: string, version: Version): object {
  const [type, description] = queries[name] ?? ['string', ''];
  const common = { name, in: 'query', description, uniqueItems: true };
  return version === 2 ? { ...common, type } : { ...common, schema: { type } };
}

const pathParameters: Readonly<Record<string, string>> = {
  name: 'The name of the object.',
  namespace: 'The namespace of the object.',
  path: 'The path of the request at the backend.',
};

function pathParameter(name: string, version: Version): object {
  const description = pathParameters[name] ?? '';
  const common = { name, in: 'path', description, required: true, uniqueItems: true };
  return version === 2 ? { ...common, type: 'string' } : { ...common, schema: { type: 'string' } };
}
