import { setImmediate as nextTurn } from 'node:timers/promises';
import { sizeOfJson } from './services/limits/jsonSize.js';

/** Items of a list that are completed, or written, before the event loop gets a turn: at most some milliseconds. */
const SLICE_ITEMS = 100;

/**
 * A list whose items graphql completes slice by slice: it waits for promises, and goes through all else in one go, during
 * which the server answers nobody.
 */
export function inSlices<T>(items: readonly T[]): (T | Promise<T>)[] {
  let previous: Promise<void> = Promise.resolve();
  return items.map((item, i) => {
    if (i < SLICE_ITEMS) return item;
    if (i % SLICE_ITEMS === 0) previous = previous.then(() => nextTurn());
    return previous.then(() => item);
  });
}

const SLICE_CHARACTERS = 131_072;

/**
 * `JSON.stringify` of a result of graphql, with turns of the event loop in between where it is larger than a slice. Slices
 * end between fields of objects and items of lists.
 */
export function stringifyInSlices(result: object): string | Promise<string> {
  return sizeOfJson(result, SLICE_CHARACTERS) > SLICE_CHARACTERS
    ? writeSlices(result)
    : JSON.stringify(result);
}

/** Like `stringifyInSlices`, for results that are known to be large. */
export async function writeSlices(result: object): Promise<string> {
  let text = '';
  let sliceEnd = SLICE_CHARACTERS;
  for (const part of partsOf(result)) {
    text += part;
    if (text.length < sliceEnd) continue;
    await nextTurn();
    sliceEnd = text.length + SLICE_CHARACTERS;
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
