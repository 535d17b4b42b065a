import { MapperKind, mapSchema } from '@graphql-tools/utils';
import { GraphQLSchema } from 'graphql';
import { SAMPLE_LIMITS } from '../catalogue/catalogue.js';

const TYPES_OF_LIMITS = ['TierLimits', 'TierLimitsInput', 'OverriddenLimits'];

/** The fields and enum values of the sample domain. The types that only they use are absent with them. */
const SAMPLE = [
  'Query.memory',
  'Query.memories',
  'Query.searchMemories',
  'Mutation.storeMemory',
  'Mutation.storeMemories',
  'Mutation.deleteMemory',
  'Mutation.shareMemory',
  'Realtime.memoryChanged',
  'StorageUsage.memories',
  'StorageUsage.embeddings',
  'Usage.federationShares',
  'AlertKind.MEMORIES',
  'AlertKind.EMBEDDINGS',
  ...TYPES_OF_LIMITS.flatMap((type) => SAMPLE_LIMITS.map((limit) => `${type}.${limit}`)),
];

/**
 * The schema of a server with `SAMPLE_DOMAIN=false`.
 * @throws an error that lists what the schema does not have
 */
export function withoutSampleDomain(schema: GraphQLSchema): GraphQLSchema {
  const unknown = new Set(SAMPLE);
  const drop = <T>(config: T, type: string, name: string): T | null =>
    SAMPLE.includes(`${type}.${name}`) && unknown.delete(`${type}.${name}`) ? null : config;
  const rest = mapSchema(schema, {
    [MapperKind.OBJECT_FIELD]: (field, name, type) => drop(field, type, name),
    [MapperKind.INPUT_OBJECT_FIELD]: (field, name, type) => drop(field, type, name),
    [MapperKind.ENUM_VALUE]: (value, type, _schema, name) => drop(value, type, name),
  });
  if (unknown.size > 0)
    throw new Error(`SAMPLE has what the schema lacks: ${[...unknown].join(', ')}. Remove or rename it`);
  return new GraphQLSchema({ ...rest.toConfig(), types: [] });
}
