import type { Secret, StatusCause } from '../../generated/types.ts';
import { invalid, required } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { ageColumn, count, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { validateData, validateFrozen } from '../rules/data-validation.ts';
import { keyPairFault } from '../warnings/key-pair.ts';

const accountAnnotation = 'kubernetes.io/service-account.name';

/** The required keys of each known type. */
const requiredKeys: ReadonlyMap<string, readonly string[]> = new Map([
  ['kubernetes.io/dockercfg', ['.dockercfg']],
  ['kubernetes.io/dockerconfigjson', ['.dockerconfigjson']],
  ['kubernetes.io/ssh-auth', ['ssh-privatekey']],
  ['kubernetes.io/tls', ['tls.crt', 'tls.key']],
]);

export const secret: Behaviour<Secret> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Type', 'The type of the secret.', ({ type }) => type ?? 'Opaque'),
    count('Data', 'Number of entries.', ({ data = {} }) => Object.keys(data).length),
    ageColumn as Column<Secret>,
  ],
  strategy: {
    /** `stringData` is write-only: it is merged over `data` and not stored. */
    default(object) {
      if (!object.stringData) return;
      const data = { ...object.data };
      for (const [key, value] of Object.entries(object.stringData)) data[key] = Buffer.from(value).toString('base64');
      object.data = data;
      delete object.stringData;
    },
    validate(object, causes) {
      validateData([{ name: 'data', data: object.data, base64: true }], causes);
      validateType(object, causes);
    },
    validateUpdate: validateFrozen,
    warnings: secretWarnings,
  },
};

function validateType({ type = 'Opaque', data = {}, metadata }: Secret, causes: StatusCause[]): void {
  for (const key of requiredKeys.get(type) ?? []) if (data[key] === undefined) causes.push(required(`data[${key}]`));
  if (type === 'kubernetes.io/basic-auth' && data.username === undefined && data.password === undefined) {
    causes.push(required('data[username]'), required('data[password]'));
  }
  if (type === 'kubernetes.io/service-account-token' && !metadata.annotations?.[accountAnnotation]) {
    causes.push(required(`metadata.annotations[${accountAnnotation}]`));
  }
  const [json] = type.startsWith('kubernetes.io/dockerc') ? (requiredKeys.get(type) ?? []) : [];
  const config = json === undefined ? undefined : data[json];
  if (config !== undefined && !isJson(Buffer.from(config, 'base64').toString())) {
    causes.push(invalid(`data[${json}]`, '<secret contents redacted>', 'invalid character in the JSON text'));
  }
}

function isJson(value: string): boolean {
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}

function secretWarnings({ type, data = {} }: Secret): string[] {
  if (type !== 'kubernetes.io/tls') return [];
  const text = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString('latin1');
  const fault = keyPairFault(text('tls.crt'), text('tls.key'));
  return fault ? [fault] : [];
}
