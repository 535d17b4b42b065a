import { valueProblem } from '@continuum-billing/limits/core';
import { GraphQLID } from 'graphql';
import { getMetadataStorage } from 'type-graphql';
import type { z } from 'zod';
import { type BillingError, badInput } from '../common/errors.js';
import { constraintsOf } from './constraints.js';
import { Realtime } from './realtime.js';

type Class = new () => object;

/** Checks the arguments of a root field with the constraints of their classes (`constraints.ts`). */
export type ArgumentValidation = (coordinate: string, args: Record<string, unknown>) => BillingError | null;

/** Items in one list argument. */
const MAX_ITEMS = 1_000;

/** All known ids are shorter: this server's, Stripe's and those of other services. */
const MAX_ID_LENGTH = 255;

interface Argument {
  /** The argument's name; null if the class describes all arguments of the field. */
  name: string | null;
  type: Class;
}

/** What is checked of one property of a class. */
interface Property {
  name: string;
  constraints: readonly z.ZodType[];
  /** The input class of its value, or of its items. */
  type: Class | null;
}

/**
 * type-graphql could validate arguments when a resolver runs. By then the operation has been charged, and earlier fields
 * of a mutation have run. These checks run first, so that an operation with bad input is rejected as a whole.
 * Arguments with `validate: false` are left to the service, which rejects their items one by one.
 */
export function createArgumentValidation(): ArgumentValidation {
  const { queries, mutations, inputTypes, fieldResolvers } = getMetadataStorage();
  const inputClasses = new Set<unknown>(inputTypes.map(({ target }) => target));
  const subscriptions = fieldResolvers.filter((field) => field.getObjectType?.() === Realtime);
  // Their arguments are not checked here, so a constraint of theirs would be without effect.
  for (const { schemaName, params = [] } of fieldResolvers.filter(
    (field) => !subscriptions.includes(field),
  )) {
    if (
      params.some(
        (param) => param.kind === 'args' || (param.kind === 'arg' && inputClasses.has(param.getType())),
      )
    )
      throw new Error(`${schemaName} is below the root: it may only take arguments without an input class`);
  }
  const byCoordinate = new Map<string, Argument[]>();
  /** The names of arguments that are ids. */
  const ids = new Map<string, string[]>();
  const leftToServices = new Map<string, string[]>();
  for (const [root, fields] of [
    ['Query', queries],
    ['Mutation', mutations],
    ['Realtime', subscriptions],
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

  const properties = new Map<Class, Property[]>();

  function propertiesOf(type: Class): Property[] {
    const known = properties.get(type);
    if (known) return known;
    const constraints = constraintsOf(type);
    const nested = new Map<string, Class>();
    for (let one = type; one?.prototype; one = Object.getPrototypeOf(one)) {
      for (const field of inputTypes.find(({ target }) => target === one)?.fields ?? []) {
        const fieldType = field.getType() as Class;
        if (inputClasses.has(fieldType)) nested.set(field.name, fieldType);
      }
    }
    const names = new Set([...constraints.keys(), ...nested.keys()]);
    const made = [...names].map((name) => ({
      name,
      constraints: constraints.get(name) ?? [],
      type: nested.get(name) ?? null,
    }));
    properties.set(type, made);
    return made;
  }

  /** @returns the first problem of an object, or of one in it */
  function problemIn(type: Class, object: object, path: readonly string[]): BillingError | null {
    for (const { name, constraints, type: inner } of propertiesOf(type)) {
      const value = (object as Record<string, unknown>)[name];
      if (value == null) continue;
      for (const constraint of constraints) {
        const { error } = constraint.safeParse(value);
        const issue = error?.issues[0];
        if (issue) return badInput([...path, name, ...issue.path].join('.'), issue.message);
      }
      const problem = inner && problemInEach(inner, value, [...path, name]);
      if (problem) return problem;
    }
    return null;
  }

  function problemInEach(type: Class, value: unknown, path: readonly string[]): BillingError | null {
    for (const [index, item] of [value].flat().entries()) {
      if (item === null || typeof item !== 'object') continue;
      const problem = problemIn(type, item, Array.isArray(value) ? [...path, String(index)] : path);
      if (problem) return problem;
    }
    return null;
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

  return (coordinate, args) => {
    const wrongValue = valueError(coordinate, args);
    if (wrongValue) return wrongValue;
    for (const { name, type } of byCoordinate.get(coordinate) ?? []) {
      const value = name === null ? args : args[name];
      if (Array.isArray(value) && (value.length === 0 || value.length > MAX_ITEMS)) {
        return badInput(name ?? 'input', `must have 1 to ${MAX_ITEMS} items, not ${value.length}`);
      }
      const problem = problemInEach(type, value, name === null ? [] : [name]);
      if (problem) return problem;
    }
    return null;
  };
}
