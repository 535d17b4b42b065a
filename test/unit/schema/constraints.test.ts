import { describe, expect, it } from 'vitest';
import {
  constraintsOf,
  IsCount,
  IsEmail,
  IsFilled,
  IsHttpUrl,
  IsInt,
  Max,
  MaxBytes,
  MaxItems,
  MaxLength,
  MaxLengthEach,
  Min,
  MinItems,
} from '../../../src/schema/constraints.js';

class Parent {
  @IsFilled()
  @MaxLength(5)
  name!: string;
}

class Child extends Parent {
  @IsInt()
  @Min(1)
  @Max(10)
  size!: number;

  @MaxLengthEach(3)
  @MinItems(1)
  @MaxItems(2)
  tags!: string[];

  @IsHttpUrl()
  url!: string;

  @IsEmail()
  email!: string;

  @IsCount(9)
  count!: number;

  @MaxBytes(4)
  text!: string;
}

/** The message that a client gets for a property's value; undefined if the value is valid. */
function problemOf(property: keyof Child, value: unknown): string | undefined {
  for (const constraint of constraintsOf(Child).get(property) ?? []) {
    const issue = constraint.safeParse(value).error?.issues[0];
    if (issue) return issue.message;
  }
}

describe('constraints of an input class', () => {
  it('are those of its parents too, and each class has its own', () => {
    expect([...constraintsOf(Child).keys()].sort()).toEqual(
      ['count', 'email', 'name', 'size', 'tags', 'text', 'url'].sort(),
    );
    expect([...constraintsOf(Parent).keys()]).toEqual(['name']);
  });

  it.each([
    ['name', 'abcdef', 'must have at most 5 characters'],
    ['name', '   ', 'must not be empty'],
    ['size', 0, 'must be at least 1'],
    ['size', 11, 'must be at most 10'],
    ['size', 1.5, 'must be a whole number'],
    ['tags', [], 'must have at least 1 item'],
    ['tags', ['a', 'b', 'c'], 'must have at most 2 items'],
    ['tags', ['long'], 'must have at most 3 characters'],
    ['url', 'ftp://example.com', 'must be an absolute http or https URL of at most 2048 characters'],
    [
      'url',
      'https://user:secret@example.com',
      'must be an absolute http or https URL of at most 2048 characters',
    ],
    ['email', 'nobody', 'must be an e-mail address'],
    ['email', 'a@host', 'must be an e-mail address'],
    ['email', 'a..b@c.example', 'must be an e-mail address'],
    ['email', `${'x'.repeat(65)}@b.example`, 'must be an e-mail address'],
    ['count', 10, 'must be a whole number from 0 to 9'],
    ['count', -1, 'must be a whole number from 0 to 9'],
    ['text', 'ééé', 'must have at most 4 bytes of UTF-8'],
  ] as const)('reject %s: %j, and say why', (property, value, message) => {
    expect(problemOf(property, value)).toBe(message);
  });

  it.each([
    ['name', 'abcde'],
    ['size', 10],
    ['tags', ['abc', 'b']],
    ['url', 'http://localhost:3000/done?id={CHECKOUT_SESSION_ID}'],
    ['email', 'some.one+billing@mail.example.co.uk'],
    ['email', 'é@bücher.example'],
    ['email', 'a!#$%&*/=?b@c.xn--p1ai'],
    ['count', 0],
    ['text', 'éé'],
  ] as const)('accept %s: %j', (property, value) => {
    expect(problemOf(property, value)).toBeUndefined();
  });
});

it('a long text that is almost an e-mail address is rejected without a search through it', () => {
  const startedAt = performance.now();
  expect(problemOf('email', `a@${'a-'.repeat(500_000)}`)).toBe('must be an e-mail address');
  expect(performance.now() - startedAt).toBeLessThan(100);
});
