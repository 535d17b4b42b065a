import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decodeForm } from '../src/http/form.js';
import { flag, integer, listOf, mergeMetadata, parseParams, text } from '../src/http/params.js';

const plain = (form: object) => JSON.parse(JSON.stringify(form));

describe('a form', () => {
  it('is decoded from its brackets', () => {
    const form = decodeForm(
      'items[0][price]=a&items[0][quantity]=2&items[1][price]=b&expand[]=x&expand[]=y&n=%26%20+1',
    );
    expect(plain(form)).toEqual({
      items: { 0: { price: 'a', quantity: '2' }, 1: { price: 'b' } },
      expand: { 0: 'x', 1: 'y' },
      n: '&  1',
    });
  });

  it('touches no prototype', () => {
    expect(() => decodeForm('__proto__[polluted]=1')).toThrow('Invalid parameter name');
    expect(() => decodeForm('a[constructor][prototype][polluted]=1')).toThrow('Invalid parameter name');
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('has bounds in depth and number, and does not contradict itself', () => {
    expect(() => decodeForm(`a${'[b]'.repeat(9)}=1`)).toThrow('Invalid parameter name');
    expect(() => decodeForm(Array.from({ length: 1001 }, (_, index) => `a${index}=1`).join('&'))).toThrow(
      '1000',
    );
    expect(() => decodeForm('a=1&a[b]=2')).toThrow('Invalid object');
  });
});

describe('parameters', () => {
  const schema = z.strictObject({
    items: listOf(z.strictObject({ price: text, quantity: integer.optional() })).optional(),
    active: flag.optional(),
    name: text,
  });
  const parse = (form: string) => parseParams(schema, decodeForm(form));

  it('are typed, and lists keep their order whatever the order in the form', () => {
    expect(parse('name=n&active=true&items[1][price]=b&items[0][price]=a&items[0][quantity]=-3')).toEqual({
      name: 'n',
      active: true,
      items: [{ price: 'a', quantity: -3 }, { price: 'b' }],
    });
    expect(parse('name=n&items=').items).toEqual([]);
  });

  it.each([
    ['', 'parameter_missing', 'name'],
    ['name=', 'parameter_invalid_empty', 'name'],
    ['name=n&colour=red', 'parameter_unknown', 'colour'],
    ['name=n&items[0][colour]=red', 'parameter_unknown', 'items[0][colour]'],
    ['name=n&items[0][quantity]=1', 'parameter_missing', 'items[0][price]'],
    ['name=n&items[0][price]=a&items[0][quantity]=1.5', 'parameter_invalid_integer', 'items[0][quantity]'],
  ])('of "%s" are refused with %s for %s', (form, code, param) => {
    expect(() => parse(form)).toThrow(
      expect.objectContaining({ body: expect.objectContaining({ code, param }) }),
    );
  });
});

describe('metadata', () => {
  it('is set by key, removed by an empty value, and cleared by an empty string', () => {
    const present = { a: '1', b: '2' };
    expect(mergeMetadata(present, { b: '', c: '3' })).toEqual({ a: '1', c: '3' });
    expect(mergeMetadata(present, '')).toEqual({});
    expect(mergeMetadata(present, undefined)).toBe(present);
  });
});
