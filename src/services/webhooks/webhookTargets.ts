import type { LookupAddress, LookupOptions } from 'node:dns';
import { lookup as resolveName } from 'node:dns';
import { isIP } from 'node:net';
import { createNetworks, isPublicAddress } from '../../common/addressRanges.js';

/** Decides where outgoing webhooks may go: the open internet, and networks that the configuration names. */
export interface WebhookTargets {
  /** @returns what is wrong with the URL itself; null: nothing */
  errorOf(url: URL): string | null;
  /**
   * Resolves a host name to addresses that may be reached, for use by a connection, so that the address checked is the
   * one connected to. Fails with the code `ADDRESS_NOT_ALLOWED` when there are none.
   */
  lookupFor(url: URL): Lookup;
}

export type Lookup = (hostname: string, options: LookupOptions, callback: LookupCallback) => void;
type LookupCallback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;

export const ADDRESS_NOT_ALLOWED = 'ADDRESS_NOT_ALLOWED';

const WEB_PORTS = ['', '80', '443'];
const FIRST_UNPRIVILEGED_PORT = 1024;
const HINT = 'name its network in WEBHOOK_ALLOWED_NETWORKS if that is intended';

/**
 * @param allowedNetworks in CIDR notation
 * @param requireHttps whether only the allowed networks may be reached without TLS
 */
export function createWebhookTargets(deps: {
  allowedNetworks: readonly string[];
  requireHttps: boolean;
}): WebhookTargets {
  const { allowedNetworks, requireHttps } = deps;
  const allowed = createNetworks(allowedNetworks);

  const isReachable = ({ protocol }: URL, address: string): boolean =>
    allowed.includes(address) || (isPublicAddress(address) && (protocol === 'https:' || !requireHttps));

  return {
    errorOf(url) {
      if (url.username || url.password) return 'must not contain a user name or password';
      if (!WEB_PORTS.includes(url.port) && Number(url.port) < FIRST_UNPRIVILEGED_PORT)
        return `has the port ${url.port}; use 80, 443 or one from ${FIRST_UNPRIVILEGED_PORT} on`;
      const addresses = knownAddressesOf(url);
      if (addresses && !addresses.some((address) => allowed.includes(address) || isPublicAddress(address)))
        return `is not an address on the open internet; ${HINT}`;
      const mayBeAllowed = addresses
        ? addresses.some((address) => isReachable(url, address))
        : url.protocol === 'https:' || !requireHttps || allowedNetworks.length > 0;
      return mayBeAllowed ? null : 'must be an https URL';
    },

    lookupFor: (url) => (hostname, options, callback) => {
      // Asks for all addresses: a name may have public and private ones.
      resolveName(hostname, { ...options, all: true }, (error, addresses) => {
        if (error) return callback(error, []);
        const reachable = addresses.filter(({ address }) => isReachable(url, address));
        const [first] = reachable;
        if (!first) return callback(notAllowed(), []);
        if (options.all) return callback(null, reachable);
        return callback(null, first.address, first.family);
      });
    },
  };
}

const notAllowed = (): NodeJS.ErrnoException =>
  Object.assign(new Error('No address of the host may be reached'), { code: ADDRESS_NOT_ALLOWED });

/** @returns null for a name that needs DNS. `URL` has normalized every spelling of an IPv4 address. */
function knownAddressesOf({ hostname }: URL): string[] | null {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.+$/, '');
  if (isIP(host)) return [host];
  return host === 'localhost' || host.endsWith('.localhost') ? ['127.0.0.1', '::1'] : null;
}
