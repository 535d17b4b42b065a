import { expect, it, vi } from 'vitest';
import { readEvents } from '../../../packages/client/src/eventStream.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const streamOf = (...parts: Uint8Array[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
const read = async (stream: ReadableStream<Uint8Array>) => {
  const events = [];
  for await (const event of readEvents(stream)) events.push(event);
  return events;
};

it('events arrive whole, wherever the network has cut them', async () => {
  const text =
    ':\n\nevent: next\ndata: {"a":"é"}\n\n: ping\n\nretry: 1000\n\nevent: next\r\ndata: 1\r\ndata: 2\r\n\r\nevent: complete\ndata:\n\nevent: next\ndata: cut';
  const expected = [
    { event: 'next', data: '{"a":"é"}' },
    { event: 'next', data: '1\n2' },
    { event: 'complete', data: '' },
  ];
  const whole = bytes(text);
  expect(await read(streamOf(whole))).toEqual(expected);
  for (let size = 1; size < 8; size++) {
    const parts = [];
    for (let at = 0; at < whole.length; at += size) parts.push(whole.slice(at, at + size));
    expect(await read(streamOf(...parts)), `${size}`).toEqual(expected);
  }
});

it('a stream that says nothing for 30 seconds is an error', async () => {
  vi.useFakeTimers();
  try {
    const reading = read(new ReadableStream({ start: (controller) => controller.enqueue(bytes(':\n\n')) }));
    const failed = expect(reading).rejects.toThrow('sent nothing for 30000 ms');
    await vi.advanceTimersByTimeAsync(31_000);
    await failed;
  } finally {
    vi.useRealTimers();
  }
});
