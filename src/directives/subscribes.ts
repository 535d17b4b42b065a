import type { GraphQLResolveInfo } from 'graphql';
import { Extensions } from 'type-graphql';

/**
 * Opens the events of a field of the root of subscriptions.
 * @param args as graphql coerced them: without the defaults of their classes
 */
export type Subscribe<Args = never, Context = never> = (
  args: Args,
  context: Context,
  info: GraphQLResolveInfo,
) => Promise<AsyncIterable<unknown>>;

/** How a field of the root of subscriptions gets its events. Each event becomes the root value of one message. */
export const Subscribes = (subscribe: Subscribe) => Extensions({ subscribe });
