import { valueProblem } from '@continuum-billing/limits/core';
import { type ValidationError, validate } from 'class-validator';
import { GraphQLID } from 'graphql';
import { getMetadataStorage } from 'type-graphql';
import { type BillingError, badInput } from '../common/errors.js';

type Class = new () => object;

/** Checks the arguments of a root field with the constraints of their classes. */
export type ArgumentValidation = (
  coordinate: string,
  args: Record<string, unknown>,
) => Promise<BillingError | null>;

/** Items in one list argument. */
const MAX_ITEMS = 1_000;

/** All known ids are shorter: this server's, Stripe's and those of other services. */
const MAX_ID_LENGTH = 255;

interface Argument {
  /** The argument's name; null if the class describes all arguments of the field. */
  name: string | null;
  type: Class;
}

/**
 * type-graphql validates arguments when a resolver runs. By then the operation has been charged, and earlier fields of
 * a mutation have run. This runs the same checks first, so that an operation with bad input is rejected as a whole.
 * Arguments with `validate: false` are left to the service, which rejects their items one by one.
 */
export function createArgumentValidation(): ArgumentValidation {
  const { queries, mutations, inputTypes } = getMetadataStorage();
  const inputClasses = new Set<unknown>(inputTypes.map(({ target }) => target));
  const byCoordinate = new Map<string, Argument[]>();
  /** The names of arguments that are ids. */
  const ids = new Map<string, string[]>();
  const leftToServices = new Map<string, string[]>();
  for (const [root, fields] of [
    ['Query', queries],
    ['Mutation', mutations],
  ] as const) {
    for (const { schemaName, params = [] } of fields) {
      const described = params.flatMap((param): Argument[] => {
        if (param.kind === 'args') return [{ name: null, type: param.getType() as Class }];
        if (param.kind !== 'arg' || param.validateSettings === false) return [];
        const type = param.getType() as Class;
        return inputClasses.has(type) ? [{ name: param.name, type }] : [];
      });
      const coordinate = `${root}.${schemaName}`;
      const named = params.flatMap((param) => (param.kind === 'arg' ? [param] : []));
      byCoordinate.set(coordinate, described);
      ids.set(
        coordinate,
        named.filter((param) => param.getType() === GraphQLID).map(({ name }) => name),
      );
      leftToServices.set(
        coordinate,
        named.filter(({ validateSettings }) => validateSettings === false).map(({ name }) => name),
      );
    }
  }

  /** Turns the plain objects of a document into instances of the classes that carry the constraints. */
  function instance(type: Class, plain: unknown): unknown {
    if (Array.isArray(plain)) return plain.map((item) => instance(type, item));
    if (plain === null || typeof plain !== 'object') return plain;
    const made = Object.assign(new type(), plain) as Record<string, unknown>;
    const fields = inputTypes.find(({ target }) => target === type)?.fields ?? [];
    for (const field of fields) {
      const fieldType = field.getType() as Class;
      if (inputClasses.has(fieldType)) made[field.name] = instance(fieldType, made[field.name]);
    }
    return made;
  }

  /** The rules for all strings, numbers and ids, which no constraint has to repeat. */
  function valueError(coordinate: string, args: Record<string, unknown>): BillingError | null {
    for (const [name, value] of Object.entries(args)) {
      if (leftToServices.get(coordinate)?.includes(name)) continue;
      const wrong = valueProblem(value);
      if (wrong) return badInput([name, ...wrong.path].join('.'), wrong.problem);
    }
    const tooLong = ids.get(coordinate)?.find((name) => String(args[name] ?? '').length > MAX_ID_LENGTH);
    return tooLong ? badInput(tooLong, `must have at most ${MAX_ID_LENGTH} characters`) : null;
  }

  return async (coordinate, args) => {
    const wrongValue = valueError(coordinate, args);
    if (wrongValue) return wrongValue;
    for (const { name, type } of byCoordinate.get(coordinate) ?? []) {
      const value = instance(type, name === null ? args : args[name]);
      if (Array.isArray(value) && (value.length === 0 || value.length > MAX_ITEMS)) {
        return badInput(name ?? 'input', `must have 1 to ${MAX_ITEMS} items, not ${value.length}`);
      }
      const items = Array.isArray(value) ? value : [value];
      for (const [index, item] of items.entries()) {
        if (item === null || typeof item !== 'object') continue;
        const [error] = await validate(item, { forbidUnknownValues: false, stopAtFirstError: true });
        if (error) return clientError(error, [name, Array.isArray(value) ? String(index) : null]);
      }
    }
    return null;
  };
}

/** The first constraint that failed, with the path of its argument. */
function clientError(error: ValidationError, prefix: readonly (string | null)[]): BillingError {
  const path = [...prefix, error.property];
  let innermost = error;
  while (innermost.children?.[0]) {
    innermost = innermost.children[0];
    path.push(innermost.property);
  }
  const problem = Object.values(innermost.constraints ?? {})[0] ?? 'is not valid';
  // class-validator's own messages begin with the name of the property.
  const words = problem.startsWith(`${innermost.property} `)
    ? problem.slice(innermost.property.length + 1)
    : problem;
  return badInput(path.filter((part) => part !== null).join('.'), words);
}
