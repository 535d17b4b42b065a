import { ArrayMaxSize, ArrayMinSize, IsOptional, Max, MaxLength, Min } from 'class-validator';
import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { IsIdempotencyKey, KEY_DESCRIPTION } from './idempotencyKey.js';
import { connectionOf } from './pagination.js';
import { BigIntScalar, DateTimeScalar, JsonObjectScalar } from './scalars.js';
import { IsFilled, IsFiniteNumbers, MaxBytes, MaxJsonBytes } from './validators.js';

export const MAX_CONTENT_BYTES = 1_048_576;
const MAX_METADATA_BYTES = 65_536;
const MAX_DIMENSIONS = 8_192;
const LEFT_OUT = 'null beside the error RESPONSE_TOO_LARGE, if it was left out.';

@ObjectType('Memory')
export class MemoryType {
  @Field(() => ID)
  id!: string;

  @Field(() => String, {
    nullable: true,
    description: 'null only beside the error RESPONSE_TOO_LARGE: it was left out.',
  })
  content!: string | null;

  @Field(() => [Float], { nullable: true, description: LEFT_OUT })
  embedding!: number[] | null;

  @Field(() => JsonObjectScalar, { nullable: true, description: LEFT_OUT })
  metadata!: unknown;

  @Field(() => BigIntScalar, { description: 'What it counts for in the storage quota.' })
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

  @Field(() => Float, { description: 'Cosine for an embedding, -1 to 1; a text score for a query, above 0.' })
  score!: number;
}

@InputType()
export class StoreMemoryInput {
  @Field()
  @IsFilled()
  @MaxBytes(MAX_CONTENT_BYTES)
  content!: string;

  @Field(() => [Float], { nullable: true, description: "All of a tenant's are of one length." })
  @IsOptional()
  @IsFiniteNumbers()
  @ArrayMinSize(1, { message: 'must have at least 1 number' })
  @ArrayMaxSize(MAX_DIMENSIONS, { message: `must have at most ${MAX_DIMENSIONS} numbers` })
  embedding?: number[] | null;

  @Field(() => JsonObjectScalar, { nullable: true })
  @IsOptional()
  @MaxJsonBytes(MAX_METADATA_BYTES)
  metadata?: object | null;

  @Field(() => String, { nullable: true, description: KEY_DESCRIPTION })
  @IsIdempotencyKey()
  idempotencyKey?: string | null;
}

export const DEFAULT_MATCHES = 10;

@InputType({ description: 'A text or an embedding to compare with.' })
export class SearchMemoriesInput {
  @Field(() => String, { nullable: true })
  @IsOptional()
  @IsFilled()
  @MaxLength(1_000)
  query?: string | null;

  @Field(() => [Float], { nullable: true })
  @IsOptional()
  @IsFiniteNumbers()
  @ArrayMinSize(1, { message: 'must have at least 1 number' })
  @ArrayMaxSize(MAX_DIMENSIONS, { message: `must have at most ${MAX_DIMENSIONS} numbers` })
  embedding?: number[] | null;

  @Field(() => Int, { nullable: true, defaultValue: DEFAULT_MATCHES, description: 'How many, 1 to 100.' })
  @IsOptional()
  @Min(1, { message: 'must be at least 1' })
  @Max(100, { message: 'must be at most 100' })
  first?: number | null;
}
