import { randomInt } from 'node:crypto';
import { BASE62 } from '@continuum-billing/limits/core';

/** @returns `length` characters, each drawn uniformly: about 5.95 bits a character */
export const randomText = (length: number): string =>
  Array.from({ length }, () => BASE62[randomInt(BASE62.length)]).join('');
