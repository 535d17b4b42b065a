import { expect, it, vi } from 'vitest';
import { createMailbox } from '../../../../src/services/realtime/mailbox.js';

function mailboxOf(max: number | null) {
  const overflowed = vi.fn();
  const closed = vi.fn();
  return {
    mailbox: createMailbox<number>({ tenantId: 'ten_1', max, overflowed, closed }),
    overflowed,
    closed,
  };
}

it('keeps the order of messages, before and after they are waited for', async () => {
  const { mailbox } = mailboxOf(10);
  const first = mailbox.next();
  for (const message of [1, 2, 3]) mailbox.put(message);
  expect(await first).toEqual({ done: false, value: 1 });
  expect(await mailbox.next()).toEqual({ done: false, value: 2 });
  expect(await mailbox.next()).toEqual({ done: false, value: 3 });
});

it('of a state only the newest waits, so that a slow reader is never behind', async () => {
  const { mailbox, overflowed } = mailboxOf(null);
  for (let message = 0; message <= 5_000; message++) mailbox.put(message);
  expect(await mailbox.next()).toEqual({ done: false, value: 5_000 });
  expect(overflowed).not.toHaveBeenCalled();
});

it('of events none is dropped in silence: with one too many, the reader is too slow', async () => {
  const { mailbox, overflowed } = mailboxOf(3);
  for (const message of [1, 2, 3]) mailbox.put(message);
  expect(overflowed).not.toHaveBeenCalled();
  mailbox.put(4);
  expect(overflowed).toHaveBeenCalledOnce();
});

it('ends for a reader that waits, and calls closed once', async () => {
  const { mailbox, closed } = mailboxOf(3);
  const waiting = mailbox.next();
  await mailbox.return();
  mailbox.close();
  mailbox.put(1);
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(await mailbox.next()).toEqual({ done: true, value: undefined });
  expect(closed).toHaveBeenCalledOnce();
});

it('throws the error that it was closed with, once', async () => {
  const waiting = mailboxOf(3);
  const next = waiting.mailbox.next();
  waiting.mailbox.close(new Error('gone'));
  await expect(next).rejects.toThrow('gone');
  const { mailbox } = mailboxOf(3);
  mailbox.put(1);
  mailbox.close(new Error('gone'));
  await expect(mailbox.next()).rejects.toThrow('gone');
  expect(await mailbox.next()).toEqual({ done: true, value: undefined });
});
