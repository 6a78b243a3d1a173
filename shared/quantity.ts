/**
 * Kubernetes' quantities: `500m`, `1.5Gi`, `2e3`. Exact, by the rules of its API reference ("Quantity"): no more than 2^63-1
 * in magnitude (larger is capped) and no finer than a nano (finer is rounded away from zero). An object holds a
 * quantity as its canonical text; numbers are taken out of the text with milliValue and intValue.
 */
export interface Quantity {
  /** The amount in nanos (10^-9). */
  readonly nanos: bigint;
  /** How it was written, and so how it is shown. */
  readonly format: QuantityFormat;
}

export type QuantityFormat = 'BinarySI' | 'DecimalSI' | 'DecimalExponent';

/** Text that is no quantity. The message is Kubernetes'. */
export class QuantityError extends Error {}

const nano = 1_000_000_000n;
const most = (2n ** 63n - 1n) * nano;
const decimalSuffixes = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
/** Characters; no quantity needs more, and exact arithmetic on long digits is slow. */
const maxText = 128;
/** The power of ten beyond which an amount of `maxText` digits is the most or one nano. */
const farthestPower = 500;
const syntax = /^([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[-+]?\d*)$/;

/** Throws QuantityError. A number counts as its decimal text. */
export function parseQuantity(value: string | number): Quantity {
  const text = String(value);
  const match = text.length > maxText ? null : syntax.exec(text);
  const [, sign = '', whole = '', fraction = '', suffix = ''] = match ?? [];
  if (whole + fraction === '') throw new QuantityError(wrongFormat);
  const { format, base, exponent } = readSuffix(suffix);
  const amount = BigInt(whole + fraction);
  const decimals = BigInt(fraction.length);
  let nanos: bigint;
  if (base === 2) {
    nanos = divideUp(amount * 2n ** BigInt(exponent) * nano, 10n ** decimals);
  } else {
    const shift = BigInt(Math.max(-farthestPower, Math.min(farthestPower, exponent))) + 9n - decimals;
    nanos = shift >= 0n ? amount * 10n ** shift : divideUp(amount, 10n ** -shift);
  }
  nanos = capped(nanos);
  const small = format === 'BinarySI' && nanos < nano;
  return { nanos: sign === '-' ? -nanos : nanos, format: small ? 'DecimalSI' : format };
}

/** The canonical text: no fraction, the largest suffix that leaves none. The largest amount needs no larger suffix than there is. */
export function formatQuantity(quantity: Quantity): string {
  const { format } = quantity;
  const nanos = capped(quantity.nanos);
  if (nanos === 0n) return '0';
  const sign = nanos < 0n ? '-' : '';
  let rest = nanos < 0n ? -nanos : nanos;
  if (format === 'BinarySI' && rest >= 1024n * nano && rest % nano === 0n) {
    rest /= nano;
    let step = 0;
    while (rest % 1024n === 0n) {
      rest /= 1024n;
      step++;
    }
    return `${sign}${rest}${binarySuffixes[step]}`;
  }
  let step = 0;
  while (rest % 1000n === 0n) {
    rest /= 1000n;
    step++;
  }
  if (format !== 'DecimalExponent') return `${sign}${rest}${decimalSuffixes[step]}`;
  return step === 3 ? `${sign}${rest}` : `${sign}${rest}e${(step - 3) * 3}`;
}

/** The canonical text of a quantity's text. Throws QuantityError. */
export function canonicalQuantity(value: string | number): string {
  if (typeof value === 'string' && isCanonical(value)) return value;
  return formatQuantity(parseQuantity(value));
}

/** In thousandths, rounded up (away from zero): `0.5` is 500, `100m` is 100. Exact up to 2^53. Throws QuantityError. */
export function milliValue(value: string | number): number {
  return scaled(value, 3);
}

/** In whole units, rounded up (away from zero): `1Ki` is 1024, `1500m` is 2. Exact up to 2^53. Throws QuantityError. */
export function intValue(value: string | number): number {
  return scaled(value, 0);
}

/** Below, equal or above 0, as a is less than, equal to or more than b. */
export function compareQuantities(a: string | number, b: string | number): number {
  if (a === b) return 0;
  const [quickA, quickB] = [plainMillis(String(a)), plainMillis(String(b))];
  if (quickA !== undefined && quickB !== undefined) return Math.sign(quickA - quickB);
  const [left, right] = [parseQuantity(a).nanos, parseQuantity(b).nanos];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The sum in canonical text, written the way `a` is (the way `b` is, when `a` is zero). */
export function addQuantities(a: string | number, b: string | number): string {
  return combine(a, b, 1n);
}

export function subtractQuantities(a: string | number, b: string | number): string {
  return combine(a, b, -1n);
}

/** A number of whole units in canonical text: for memory `BinarySI`, for counts `DecimalSI`. */
export function quantityOf(units: number, format: QuantityFormat = 'DecimalSI'): string {
  return formatQuantity({ nanos: BigInt(Math.round(units)) * nano, format });
}

/** A number of thousandths in canonical text: 1500 is `1500m`, 2000 is `2`. */
export function quantityOfMillis(millis: number): string {
  return formatQuantity({ nanos: BigInt(Math.round(millis)) * 1_000_000n, format: 'DecimalSI' });
}

const wrongFormat = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

function combine(a: string | number, b: string | number, sign: bigint): string {
  const [left, right] = [parseQuantity(a), parseQuantity(b)];
  const nanos = left.nanos + sign * right.nanos;
  return formatQuantity({ nanos, format: left.nanos === 0n ? right.format : left.format });
}

function readSuffix(suffix: string): { format: QuantityFormat; base: 2 | 10; exponent: number } {
  const decimal = decimalSuffixes.indexOf(suffix);
  if (decimal >= 0) return { format: 'DecimalSI', base: 10, exponent: (decimal - 3) * 3 };
  const binary = binarySuffixes.indexOf(suffix);
  if (binary > 0) return { format: 'BinarySI', base: 2, exponent: binary * 10 };
  const power = /^[eE]([+-]?\d+)$/.exec(suffix);
  if (!power) throw new QuantityError("unable to parse quantity's suffix");
  return { format: 'DecimalExponent', base: 10, exponent: Number(power[1]) };
}

function capped(nanos: bigint): bigint {
  return nanos > most ? most : nanos < -most ? -most : nanos;
}

function divideUp(amount: bigint, by: bigint): bigint {
  return (amount + by - 1n) / by;
}

/** The common forms by plain numbers; the rest exactly. */
function scaled(value: string | number, digits: 0 | 3): number {
  const plain = plainMillis(String(value));
  if (plain !== undefined) return digits === 3 ? plain : Math.ceil(plain / 1000);
  const unit = digits === 3 ? 1_000_000n : nano;
  const { nanos } = parseQuantity(value);
  return Number(nanos >= 0n ? divideUp(nanos, unit) : -divideUp(-nanos, unit));
}

/** Thousandths of the forms that nearly all quantities have; a double holds each of them exactly. */
function plainMillis(text: string): number | undefined {
  const match = /^(\d{1,9})(|m|Ki|Mi|Gi)$/.exec(text);
  if (!match) return undefined;
  const amount = Number(match[1]);
  switch (match[2]) {
    case 'm':
      return amount;
    case 'Ki':
      return amount * 1000 * 2 ** 10;
    case 'Mi':
      return amount * 1000 * 2 ** 20;
    case 'Gi':
      return amount * 1000 * 2 ** 30;
    default:
      return amount * 1000;
  }
}

/** Whether the text is surely canonical: a few digits that the suffix's step does not divide. */
function isCanonical(text: string): boolean {
  const match = /^([1-9]\d{0,8})(|m|k|M|G|Ki|Mi|Gi)$/.exec(text);
  if (!match) return false;
  const amount = Number(match[1]);
  return match[2]?.endsWith('i') ? amount % 1024 !== 0 : amount % 1000 !== 0;
}
