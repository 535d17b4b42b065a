import { badInput } from '../common/errors.js';

/** @throws BAD_USER_INPUT for a resource that is none of those known */
export function needResource(argument: string, resource: string, known: readonly string[]): void {
  if (known.includes(resource)) return;
  const nothing = 'names a resource, and the catalogue has none';
  throw badInput(argument, known.length > 0 ? `is none of ${known.join(', ')}` : nothing);
}

/** @throws BAD_USER_INPUT for a resource that is none of those known, or that is named twice */
export function needResources(
  argument: string,
  items: readonly { resource: string }[],
  known: readonly string[],
): void {
  for (const [i, { resource }] of items.entries()) needResource(`${argument}.${i}.resource`, resource, known);
  needOnce(
    argument,
    items.map(({ resource }) => resource),
  );
}

/** @throws BAD_USER_INPUT */
export function needOnce(argument: string, names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw badInput(argument, `names ${twice} twice`);
}
