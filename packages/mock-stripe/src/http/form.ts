import { invalidRequest } from './errors.js';

/** A decoded form before its fields are typed. Lists are still objects with the keys 0, 1, 2. */
export type FormValue = string | FormObject;
export interface FormObject {
  [key: string]: FormValue;
}

const MAX_FIELDS = 1000;
const MAX_DEPTH = 8;
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Decodes Stripe's bracketed form encoding, `items[0][price]=x`; `expand[]=x` counts up.
 * @throws MockStripeError (400) for a form that is too large, too deep, or contradicts itself.
 */
export function decodeForm(text: string): FormObject {
  const root: FormObject = Object.create(null);
  let fields = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    fields += 1;
    if (fields > MAX_FIELDS) throw invalidRequest(`A request may have ${MAX_FIELDS} fields.`);
    place(root, pathOf(name), name, value);
  }
  return root;
}

function pathOf(name: string): string[] {
  const bracket = name.indexOf('[');
  if (bracket === -1) return [name];
  const rest = name.slice(bracket);
  if (!/^(\[[^[\]]*\])+$/.test(rest))
    throw invalidRequest(`Invalid parameter name: ${name}`, { param: name });
  return [name.slice(0, bracket), ...rest.slice(1, -1).split('][')];
}

function place(root: FormObject, path: string[], name: string, value: string): void {
  if (path.length > MAX_DEPTH) throw invalidRequest(`Invalid parameter name: ${name}`, { param: name });
  let at = root;
  for (const [index, part] of path.entries()) {
    const key = part === '' ? String(Object.keys(at).length) : part;
    if (FORBIDDEN.has(key)) throw invalidRequest(`Invalid parameter name: ${name}`, { param: name });
    if (index === path.length - 1) {
      at[key] = value;
      return;
    }
    const next = at[key] ?? Object.create(null);
    if (typeof next === 'string') throw invalidRequest(`Invalid object: ${name}`, { param: name });
    at[key] = next;
    at = next;
  }
}
