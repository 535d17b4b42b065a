import { sleep } from './waiting.js';

export interface StreamEvent {
  event: string;
  data: string;
}

/** The server sends something every 12 s. */
const MAX_SILENCE_MS = 30_000;

/**
 * Reads server-sent events. Ends with the stream.
 * @throws if nothing comes for 30 s, or the connection breaks
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await inTime(reader.read());
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const blocks = text.split(/\r?\n\r?\n/);
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const event = parseEvent(block);
        if (event) yield event;
      }
    }
  } finally {
    // A body that has failed already cannot be cancelled.
    await reader.cancel().catch(() => undefined);
  }
}

async function inTime<T>(read: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const silence = sleep(MAX_SILENCE_MS, timer.signal).then(() => {
    throw new Error(`The server sent nothing for ${MAX_SILENCE_MS} ms`);
  });
  try {
    return await Promise.race([read, silence]);
  } finally {
    silence.catch(() => undefined);
    timer.abort();
  }
}

/** @returns null for comments and for what is no event */
function parseEvent(block: string): StreamEvent | null {
  let event = '';
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith(':')) continue;
    const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
    if (name === 'event') event = value;
    if (name === 'data') data.push(value);
  }
  return event ? { event, data: data.join('\n') } : null;
}
