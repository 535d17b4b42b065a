import { setImmediate as nextTurn } from 'node:timers/promises';
import { defaultFieldResolver, type GraphQLSchema } from 'graphql';
import { sizeOfJson } from '../common/jsonSize.js';

/** Items of a list that are completed before the event loop gets a turn: at most some milliseconds. */
const SLICE_ITEMS = 50;
/** Fields of a query that are completed before it gets one. */
const SLICE_FIELDS = 5;

/** @returns tells each in order what it has to wait for; null: nothing */
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
 * A list whose items graphql completes slice by slice: it waits for promises, and goes through all else in one go, during
 * which the server answers nobody.
 * @param items each is worked out in its slice
 */
export function inSlices<T>(items: readonly (() => T)[]): (T | Promise<T>)[] {
  const nextSlice = createSlices(SLICE_ITEMS);
  return items.map((item) => nextSlice()?.then(item) ?? item());
}

/** Has what the fields of a query return completed slice by slice. The schema is changed in place. */
export function completeQueriesInSlices(schema: GraphQLSchema): void {
  const slices = new WeakMap<object, () => Promise<void> | null>();
  for (const field of Object.values(schema.getQueryType()?.getFields() ?? {})) {
    const resolve = field.resolve ?? defaultFieldResolver;
    field.resolve = async (source, args, context: object, info) => {
      const value = await resolve(source, args, context, info);
      const nextSlice = slices.get(context) ?? createSlices(SLICE_FIELDS);
      slices.set(context, nextSlice);
      await nextSlice();
      return value;
    };
  }
}

/** What is written before the event loop gets a turn. */
const SLICE_BYTES = 65_536;
/** By the data of results. */
const written = new WeakMap<object, string>();

/**
 * Measures a result. A large one is written for that, with turns of the event loop in between, and `stringifyResult`
 * finds it again. Slices end between fields of objects and items of lists.
 * @returns whether it has more bytes of JSON than that
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

/** `JSON.stringify` of a result of graphql. */
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

/** @returns JSON; null: it is longer than that */
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

/** Characters that are written at once. */
const PART_CHARACTERS = 16_384;
/** Items of a list that are looked at together: most are small. */
const TOGETHER = 64;

function* partsOf(value: unknown): Generator<string> {
  if (!isObject(value) || sizeOfJson(value, PART_CHARACTERS) <= PART_CHARACTERS) {
    yield JSON.stringify(value) ?? 'null';
  } else if (Array.isArray(value)) {
    if (value.length <= TOGETHER) yield* partsOfItems(value);
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

/** Like a list of short lists, without the brackets between them. */
function* partsOfLongList(items: readonly unknown[]): Generator<string> {
  for (let i = 0; i < items.length; i += TOGETHER) {
    yield i === 0 ? '[' : ',';
    const together = items.slice(i, i + TOGETHER);
    if (sizeOfJson(together, PART_CHARACTERS) <= PART_CHARACTERS) yield JSON.stringify(together).slice(1, -1);
    else
      for (const [n, item] of together.entries()) {
        if (n > 0) yield ',';
        yield* partsOf(item);
      }
  }
  yield ']';
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Objects that graphql made; dates and the like write themselves. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (!isObject(value)) return false;
  const prototype = Object.getPrototypeOf(value) as unknown;
  return prototype === null || prototype === Object.prototype;
}
