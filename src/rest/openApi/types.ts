// Parts of JSON schemas. `nullable` becomes the type null in the document.

export const text = { type: 'string' };
export const optionalText = { ...text, nullable: true };
export const instant = { type: 'string', format: 'date-time' };
export const optionalInstant = { ...instant, nullable: true };
export const count = { type: 'integer' };
export const texts = { type: 'array', items: text };

/** An object that has all its properties. @param optional those that it may lack */
export const object = (properties: Record<string, object>, optional: readonly string[] = []) => ({
  type: 'object',
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  properties,
});

/** An object that a request sends: it may have no other properties. */
export const input = (properties: Record<string, object>, optional: readonly string[] = []) => ({
  ...object(properties, optional),
  additionalProperties: false,
});

/** A reference to a named schema. */
export const ref = (name: string) => ({ $ref: `${name}#` });

/** A list of a named schema. */
export const listOf = (name: string) => ({ type: 'array', items: ref(name) });
