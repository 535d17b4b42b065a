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

  it.each([
    ['steps down', { message: 'not primary', code: 10_107 }],
    ['blocks writes', { message: 'User writes blocked', code: 371 }],
    ['has a full disk', { message: '28: No space left on device', code: 8 }],
  ])('is recognised by what a server says that %s', (_, answer) => {
    expect(isDatabaseUnavailable(new mongo.MongoServerError(answer))).toBe(true);
  });
});

it.each([
  ['a fault of ours', new TypeError('x is not a function')],
  ['a refused write', new mongo.MongoServerError({ message: 'E11000 duplicate key', code: 11_000 })],
  ['an error of MongoDB without a code', new mongo.MongoServerError({ message: 'unknown', code: 8 })],
  ['a file that is missing', systemError('ENOENT')],
  ['something that is no error', 'EPIPE'],
])('%s is none', (_, error) => expect(isDatabaseUnavailable(error)).toBe(false));
