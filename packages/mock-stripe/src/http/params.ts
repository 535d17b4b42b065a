import { z } from 'zod';
import { isWebUrl } from '../webUrl.js';
import { invalidRequest, type MockStripeError, missingParameter, unknownParameter } from './errors.js';
import type { FormObject } from './form.js';

const WHOLE_NUMBER = /^-?\d{1,15}$/;

export const text = z.string().min(1).max(5000);
/** A string that an empty value clears. */
export const clearable = z.string().max(5000);
export const integer = z.string().regex(WHOLE_NUMBER, 'integer').transform(Number);
/** A number, as `12.5`. */
export const decimal = z
  .string()
  .regex(/^\d{1,12}(\.\d{1,12})?$/, 'must be a number')
  .transform(Number);
/** A whole number from 0. */
export const natural = z
  .string()
  .regex(/^\d{1,15}$/, 'integer')
  .transform(Number);
export const flag = z.enum(['true', 'false']).transform((value) => value === 'true');
/** An object whose content is not checked. */
export const object = z.record(z.string(), z.unknown());
/** One that an empty value clears. */
export const clearableObject = z.union([z.literal(''), object]);
/** An object that says at least whether something is on. */
export const toggle = z.looseObject({ enabled: flag });
export const prorationBehavior = z.enum(['always_invoice', 'create_prorations', 'none']);
export const taxBehavior = z.enum(['exclusive', 'inclusive', 'unspecified']);
/** A language, as `fr` or `pt-BR`. */
export const locale = text.regex(/^(auto|[a-z]{2,3}(-[A-Z0-9]{2,3})?)$/, 'must be a locale');

/** Parameters of Stripe's that have no effect here; their form is checked all the same. */
export const ignoring = <const Name extends string, Schema extends z.ZodType>(
  schema: Schema,
  ...names: Name[]
) =>
  Object.fromEntries(names.map((name) => [name, schema.optional()])) as Record<Name, z.ZodOptional<Schema>>;

/** A list, sent as an object with the keys 0, 1, 2; an empty string is an empty list. */
export const listOf = <Element extends z.ZodType>(element: Element, max = 100) =>
  z.preprocess((value) => {
    if (value === '') return [];
    if (typeof value !== 'object' || value === null) return value;
    const keys = Object.keys(value);
    if (!keys.every((key) => /^\d+$/.test(key))) return value;
    const entries = value as Record<string, unknown>;
    return keys.sort((a, b) => Number(a) - Number(b)).map((key) => entries[key]);
  }, z.array(element).max(max));

/** A list whose content is not checked. */
export const list = listOf(z.unknown());

export const expand = listOf(text, 20).optional();

/** Keys to set, and keys to remove where the value is empty; an empty string removes all. */
export const metadata = z
  .union([z.literal(''), z.record(z.string().max(40), z.string().max(500))])
  .optional();
export type MetadataChange = z.infer<typeof metadata>;

export function mergeMetadata(
  present: Record<string, string>,
  change: MetadataChange,
): Record<string, string> {
  if (change === undefined) return present;
  if (change === '') return {};
  const merged = { ...present };
  for (const [key, value] of Object.entries(change)) {
    if (value === '') delete merged[key];
    else merged[key] = value;
  }
  return merged;
}

/** A moment (`created=5`) or a range of them (`created[gte]=5`), in seconds. */
export const range = z
  .union([
    integer.transform((at) => ({ gte: at, lte: at })),
    z.strictObject({
      gt: integer.optional(),
      gte: integer.optional(),
      lt: integer.optional(),
      lte: integer.optional(),
    }),
  ])
  .optional();

export const email = clearable.refine(
  (value) => value === '' || /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value),
  'email',
);

/** An absolute http or https address. */
export const webUrl = text.refine((value) => isWebUrl(value), 'url');

/**
 * @returns the parameters, typed
 * @throws MockStripeError (400) that names the first invalid parameter, as Stripe would
 */
export function parseParams<Schema extends z.ZodType>(schema: Schema, form: FormObject): z.infer<Schema> {
  const parsed = schema.safeParse(form);
  if (parsed.success) return parsed.data;
  throw parameterError(firstIssue(parsed.error.issues), form);
}

/** Unknown names first: what else is wrong often follows from them. */
function firstIssue(issues: z.core.$ZodIssue[]): z.core.$ZodIssue {
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];
  if (!issue) throw new Error('a failed parse has an issue');
  return issue;
}

function parameterError(issue: z.core.$ZodIssue, form: FormObject): MockStripeError {
  const param = bracketed(issue.path);
  if (issue.code === 'unrecognized_keys')
    return unknownParameter(bracketed([...issue.path, issue.keys[0] ?? '']));
  const value = valueAt(form, issue.path);
  if (value === undefined) return missingParameter(param);
  if (value === '') {
    return invalidRequest(`You passed an empty string for '${param}'.`, {
      code: 'parameter_invalid_empty',
      param,
    });
  }
  if (issue.message === 'email') {
    return invalidRequest(`Invalid email address: ${String(value)}`, { code: 'email_invalid', param });
  }
  if (issue.message === 'url') return invalidRequest('Not a valid URL', { code: 'url_invalid', param });
  if (issue.message === 'integer') {
    return invalidRequest(`Invalid integer: ${String(value)}`, { code: 'parameter_invalid_integer', param });
  }
  return invalidRequest(`Invalid ${param}: ${issue.message}`, { param });
}

function bracketed(path: readonly PropertyKey[]): string {
  return path.map((part, index) => (index === 0 ? String(part) : `[${String(part)}]`)).join('');
}

function valueAt(form: FormObject, path: readonly PropertyKey[]): unknown {
  let value: unknown = form;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}
