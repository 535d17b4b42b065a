import { describe, expect, it } from 'vitest';
import { believedAddress, clientNetwork } from '../../src/common/network.js';

describe('clients are counted by what one of them can change its address within', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:201', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:ffff::', '2001:db8:1:2::/64'],
    ['2001:db8::192.0.2.1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('%s is %s', (address, network) => {
    expect(clientNetwork(address)).toBe(network);
  });

  it.each(['', 'unknown', '1.2.3', 'x'.repeat(10_000), '2001:db8::1::2', '192.0.2.1, 192.0.2.2'])(
    'all that is no address is one client: %s',
    (garbage) => {
      expect(clientNetwork(garbage)).toBe('unknown');
    },
  );
});

describe('the address of a client is what the last proxy before garbage reported', () => {
  it.each<[string[], string]>([
    [['127.0.0.1'], '127.0.0.1'],
    [['127.0.0.1', '192.0.2.1'], '192.0.2.1'],
    [['127.0.0.1', '192.0.2.1:5000'], '192.0.2.1'],
    [['127.0.0.1', '[2001:db8::1]:5000'], '2001:db8::1'],
    [['127.0.0.1', '[2001:db8::1]'], '2001:db8::1'],
    [['127.0.0.1', 'unknown'], '127.0.0.1'],
    [['127.0.0.1', '<script>', '192.0.2.1'], '127.0.0.1'],
    [['127.0.0.1', ''], '127.0.0.1'],
    [[], ''],
  ])('%j: %s', (chain, address) => {
    expect(believedAddress(chain)).toBe(address);
  });
});
