import { setImmediate as nextTurn } from 'node:timers/promises';
import { defaultFieldResolver, type GraphQLSchema } from 'graphql';
import { sizeOfJson } from '../common/jsonSize.js';

/** List items that are completed before the event loop runs other work: a few milliseconds at most. */
const SLICE_ITEMS = 50;
/** Query fields that are completed before the event loop runs other work. */
const SLICE_FIELDS = 5;

/** @returns a function to call for each item in order: the promise to wait for, or null to continue immediately */
function createSlices(size: number): () => Promise<void> | null {
  let previous: Promise<void> = Promise.resolve();
  let count = 0;
  return () => {
    const i = count++;
    if (i < size) return null;
    if (i % size === 0) previous = previous.then(() => nextTurn());
    return previous;
  };
}

/**
 * Makes a list that graphql completes in slices. graphql completes a plain list in one go, and the server answers nobody
 * meanwhile; it does wait for promises.
 * @param items each is called in its slice
 */
export function inSlices<T>(items: readonly (() => T)[]): (T | Promise<T>)[] {
  const nextSlice = createSlices(SLICE_ITEMS);
  return items.map((item) => nextSlice()?.then(item) ?? item());
}

/** Makes graphql complete the fields of a query in slices. Changes the schema in place. */
export function completeQueriesInSlices(schema: GraphQLSchema): void {
  const slices = new WeakMap<object, () => Promise<void> | null>();
  for (const field of Object.values(schema.getQueryType()?.getFields() ?? {})) {
    const resolve = field.resolve ?? defaultFieldResolver;
    field.resolve = (source, args, context: object, info) => {
      const inSlice = (value: unknown) => {
        const nextSlice = slices.get(context) ?? createSlices(SLICE_FIELDS);
        slices.set(context, nextSlice);
        return nextSlice()?.then(() => value) ?? value;
      };
      const value = resolve(source, args, context, info);
      return value instanceof Promise ? value.then(inSlice) : inSlice(value);
    };
  }
}

/** JSON that is written before the event loop runs other work. */
const SLICE_BYTES = 65_536;
/** The JSON of large results, by their `data`. */
const written = new WeakMap<object, string>();

/**
 * Measures a result. To do so, it writes a large result as JSON in slices, which end between the fields of objects and
 * the items of lists; `stringifyResult` reuses that JSON.
 * @returns whether the result has more than `maxBytes` bytes of JSON
 */
export async function exceeds({ data, ...rest }: Result, maxBytes: number): Promise<boolean> {
  const restBytes = sizeOfJson(rest, maxBytes);
  if (restBytes > maxBytes) return true;
  if (!data) return false;
  const smallBytes = Math.min(SLICE_BYTES, maxBytes - restBytes);
  if (sizeOfJson(data, smallBytes) <= smallBytes) return false;
  const text = await writeSlices(data, maxBytes - restBytes);
  if (text === null) return true;
  written.set(data, text);
  return false;
}

/** `JSON.stringify` for a graphql result. */
export function stringifyResult({ data, ...rest }: Result): string {
  const text = data && written.get(data);
  if (!text) return JSON.stringify({ ...rest, data });
  const others = JSON.stringify(rest);
  return `${others.slice(0, -1)}${others === '{}' ? '' : ','}"data":${text}}`;
}

interface Result {
  data?: Record<string, unknown> | null;
  errors?: readonly unknown[];
}

/** @returns the JSON; null if it has more than `maxBytes` bytes */
export async function writeSlices(value: object, maxBytes: number): Promise<string | null> {
  let text = '';
  let bytes = 0;
  let sliceEnd = SLICE_BYTES;
  for (const part of partsOf(value)) {
    text += part;
    bytes += Buffer.byteLength(part);
    if (bytes > maxBytes) return null;
    if (bytes < sliceEnd) continue;
    await nextTurn();
    sliceEnd = bytes + SLICE_BYTES;
  }
  return text;
}

/** Characters that are written in one go. */
const PART_CHARACTERS = 16_384;
/** List items that are measured and written together, because most are small. */
const GROUP_ITEMS = 64;

function* partsOf(value: unknown): Generator<string> {
  if (!isObject(value) || sizeOfJson(value, PART_CHARACTERS) <= PART_CHARACTERS) {
    yield JSON.stringify(value) ?? 'null';
  } else if (Array.isArray(value)) {
    if (value.length <= GROUP_ITEMS) yield* partsOfItems(value);
    else yield* partsOfLongList(value);
  } else if (isPlain(value)) {
    let separator = '{';
    for (const [name, field] of Object.entries(value)) {
      if (field === undefined) continue;
      yield `${separator}${JSON.stringify(name)}:`;
      yield* partsOf(field);
      separator = ',';
    }
    yield '}';
  } else {
    yield JSON.stringify(value);
  }
}

function* partsOfItems(items: readonly unknown[]): Generator<string> {
  yield '[';
  for (const [i, item] of items.entries()) {
    if (i > 0) yield ',';
    yield* partsOf(item);
  }
  yield ']';
}

/** Writes groups of items, without brackets between the groups. */
function* partsOfLongList(items: readonly unknown[]): Generator<string> {
  for (let i = 0; i < items.length; i += GROUP_ITEMS) {
    yield i === 0 ? '[' : ',';
    const group = items.slice(i, i + GROUP_ITEMS);
    if (sizeOfJson(group, PART_CHARACTERS) <= PART_CHARACTERS) yield JSON.stringify(group).slice(1, -1);
    else
      for (const [n, item] of group.entries()) {
        if (n > 0) yield ',';
        yield* partsOf(item);
      }
  }
  yield ']';
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Whether graphql made the object. Others, such as dates, have their own `toJSON`. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (!isObject(value)) return false;
  const prototype = Object.getPrototypeOf(value) as unknown;
  return prototype === null || prototype === Object.prototype;
}
