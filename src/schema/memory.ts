import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import {
  IDEMPOTENCY_KEY_DESCRIPTION,
  IsFilled,
  IsFiniteNumbers,
  IsIdempotencyKey,
  Max,
  MaxBytes,
  MaxItems,
  MaxJsonBytes,
  MaxLength,
  Min,
  MinItems,
} from './constraints.js';
import { connectionOf } from './pagination.js';
import { BigIntScalar, DateTimeScalar, JsonObjectScalar } from './scalars.js';

const MAX_CONTENT_BYTES = 1_048_576;
const MAX_METADATA_BYTES = 65_536;
const MAX_DIMENSIONS = 8_192;
const OMITTED = 'Also null if it was omitted; the response then has the error RESPONSE_TOO_LARGE.';

@ObjectType('Memory')
export class MemoryType {
  @Field(() => ID)
  id!: string;

  @Field(() => String, {
    nullable: true,
    description: 'null only if it was omitted; the response then has the error RESPONSE_TOO_LARGE.',
  })
  content!: string | null;

  @Field(() => [Float], { nullable: true, description: OMITTED })
  embedding!: number[] | null;

  @Field(() => JsonObjectScalar, { nullable: true, description: OMITTED })
  metadata!: unknown;

  @Field(() => BigIntScalar, { description: 'The bytes that it counts towards the storage quota.' })
  bytes!: number;

  @Field({ description: 'Whether the federation may read it.' })
  shared!: boolean;

  @Field(() => DateTimeScalar)
  createdAt!: Date;
}

export const MemoryConnection = connectionOf('Memory', () => MemoryType);

@ObjectType('MemoryMatch')
export class MemoryMatchType {
  @Field(() => MemoryType)
  memory!: MemoryType;

  @Field(() => Float, {
    description: 'Cosine similarity from -1 to 1 for an embedding; a text score above 0 for a query.',
  })
  score!: number;
}

@InputType()
export class StoreMemoryInput {
  @Field()
  @IsFilled()
  @MaxBytes(MAX_CONTENT_BYTES)
  content!: string;

  @Field(() => [Float], { nullable: true, description: 'All embeddings of a tenant have the same length.' })
  @IsFiniteNumbers()
  @MinItems(1, 'number')
  @MaxItems(MAX_DIMENSIONS, 'numbers')
  embedding?: number[] | null;

  @Field(() => JsonObjectScalar, { nullable: true })
  @MaxJsonBytes(MAX_METADATA_BYTES)
  metadata?: object | null;

  @Field(() => String, { nullable: true, description: IDEMPOTENCY_KEY_DESCRIPTION })
  @IsIdempotencyKey()
  idempotencyKey?: string | null;
}

export const DEFAULT_MATCHES = 10;

@InputType({ description: 'Either a text or an embedding to search for.' })
export class SearchMemoriesInput {
  @Field(() => String, { nullable: true })
  @IsFilled()
  @MaxLength(1_000)
  query?: string | null;

  @Field(() => [Float], { nullable: true })
  @IsFiniteNumbers()
  @MinItems(1, 'number')
  @MaxItems(MAX_DIMENSIONS, 'numbers')
  embedding?: number[] | null;

  @Field(() => Int, {
    nullable: true,
    defaultValue: DEFAULT_MATCHES,
    description: 'Maximum number of matches, 1 to 100.',
  })
  @Min(1)
  @Max(100)
  first?: number | null;
}
