import { mongo } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { isDatabaseUnavailable } from '../../src/services/infrastructure/databaseErrors.js';

const systemError = (code: string) => Object.assign(new Error(`write ${code}`), { code, syscall: 'write' });

describe('an error of a database that is away', () => {
  it.each(['EPIPE', 'ECONNRESET', 'ECONNREFUSED', 'ETIMEDOUT'])(
    'is one of Node itself too, which the driver lets through unwrapped: %s',
    (code) => expect(isDatabaseUnavailable(systemError(code))).toBe(true),
  );

  it('is recognised inside a bulk, and as a cause', () => {
    const network = new mongo.MongoNetworkError('connection 7 closed');
    expect(isDatabaseUnavailable(new Error('failed', { cause: network }))).toBe(true);
    expect(isDatabaseUnavailable(Object.assign(new Error('bulk'), { errorResponse: network }))).toBe(true);
  });

  it('is recognised by the code of a server that steps down', () => {
    expect(isDatabaseUnavailable(new mongo.MongoServerError({ message: 'not primary', code: 10_107 }))).toBe(
      true,
    );
  });
});

it.each([
  ['a fault of ours', new TypeError('x is not a function')],
  ['a refused write', new mongo.MongoServerError({ message: 'E11000 duplicate key', code: 11_000 })],
  ['a file that is missing', systemError('ENOENT')],
  ['something that is no error', 'EPIPE'],
])('%s is none', (_, error) => expect(isDatabaseUnavailable(error)).toBe(false));
