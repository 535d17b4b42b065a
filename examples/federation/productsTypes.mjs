import { readFileSync } from 'node:fs';
import { limitDirectives } from '@continuum-billing/limits';
import { concatAST, parse } from 'graphql';

/** products.graphql with the definitions of the directives that it uses: what is served, composed and published. */
export const typeDefs = concatAST([
  limitDirectives,
  parse(readFileSync(new URL('products.graphql', import.meta.url), 'utf8')),
]);
