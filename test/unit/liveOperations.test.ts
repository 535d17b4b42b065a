import { buildSchema, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import {
  createLiveOperations,
  type LiveContext,
  type LiveStream,
} from '../../src/directives/liveOperations.js';
import { createResponseBudget } from '../../src/services/infrastructure/responseBudget.js';
import { createMailbox } from '../../src/services/realtime/mailbox.js';

const schema = buildSchema(
  'type Query { a: Int } type Realtime { a: Int } schema { query: Query subscription: Realtime }',
);
const document = parse('subscription { a }', { noLocation: true });

/** Streams whose messages say when they are resolved. */
function setUp(options: { work: number; enterGate?: () => Promise<() => void> }) {
  const log: string[] = [];
  const answers: (() => void)[] = [];
  const live = createLiveOperations({
    schema,
    limits: { standing: async () => null },
    changes: { listen: () => undefined },
    formatError: (error) => error,
    createContext: (_received, context) => context as never,
    apollo: {
      async executeOperation(
        { query: tenantId }: { query: string },
        { contextValue }: { contextValue: LiveContext },
      ) {
        await contextValue.reserve();
        const message = { budget: createResponseBudget(1_000) };
        const source = createMailbox<object>({
          tenantId,
          max: 10,
          overflowed: () => undefined,
          closed: () => log.push(`closed ${tenantId}`),
        });
        const context = { principal: null, ...message, forMessage: () => message };
        contextValue.accepted = {
          document: structuredClone(document),
          context: context as never,
          source,
          cost: null,
          work: options.work,
          enterGate: options.enterGate ?? null,
        };
        source.put({
          a() {
            log.push(`resolved ${tenantId}`);
            return new Promise((resolve) => answers.push(() => resolve(1)));
          },
        });
        return { body: { kind: 'single', singleResult: { data: {} } } };
      },
    } as never,
  });
  const ends: (() => void)[] = [];
  async function subscribe(tenantId: string): Promise<LiveStream> {
    const owner = {
      async openStream(_characters: number, end: () => void) {
        ends.push(end);
        return () => undefined;
      },
      afterStreams: async () => undefined,
      end: () => undefined,
    };
    const { stream } = await live.run({ query: tenantId }, {} as never, owner);
    return stream as LiveStream;
  }
  return { log, answers, ends, subscribe };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('the messages of a subscription', () => {
  it('wait for the turn of large operations, each anew, if they are large', async () => {
    const turns: (() => void)[] = [];
    let ended = 0;
    const enterGate = () =>
      new Promise<() => void>((resolve) => turns.push(() => resolve(() => void ended++)));
    const { log, answers, subscribe } = setUp({ work: 8_000, enterGate });
    const next = (await subscribe('a')).next();
    await settle();
    expect([turns.length, log]).toEqual([1, []]);
    turns[0]?.();
    await settle();
    expect([ended, log]).toEqual([0, ['resolved a']]);
    answers[0]?.();
    expect((await next).value.json).toBe('{"data":{"a":1}}');
    expect(ended).toBe(1);
  });

  it('take turns if they are large, one about each tenant at a time', async () => {
    const { log, answers, subscribe } = setUp({ work: 8_000, enterGate: async () => () => undefined });
    const streams = [await subscribe('a'), await subscribe('a'), await subscribe('b')];
    const all = Promise.all(streams.map((stream) => stream.next()));
    await settle();
    expect(log).toEqual(['resolved a', 'resolved b']);
    answers[0]?.();
    await settle();
    expect(log).toEqual(['resolved a', 'resolved b', 'resolved a']);
    for (const answer of answers) answer();
    expect(await all).toHaveLength(3);
  });

  it('take turns if there are many small ones, and those about one tenant leave room for others', async () => {
    const { log, answers, subscribe } = setUp({ work: 2_000 });
    const streams = [await subscribe('a'), await subscribe('a'), await subscribe('b')];
    const all = Promise.all(streams.map((stream) => stream.next()));
    await settle();
    expect(log).toEqual(['resolved a', 'resolved b']);
    answers[0]?.();
    await settle();
    expect(log).toEqual(['resolved a', 'resolved b', 'resolved a']);
    for (const answer of answers) answer();
    expect(await all).toHaveLength(3);
  });
});

it('a stream ends with its connection, even if the transport has forgotten it', async () => {
  const { log, ends, subscribe } = setUp({ work: 1 });
  await subscribe('a');
  ends[0]?.();
  expect(log).toEqual(['closed a']);
});
