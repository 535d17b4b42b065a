import {
  type BillingClient,
  createBillingClient,
  type TenantArguments,
  type TokenSource,
} from '@continuum-billing/client';
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef } from 'react';
import { createFormats, type Formats } from './formats.js';
import { type BillingStore, createStore } from './store.js';
import { mergedTexts, type TextOverrides, type Texts } from './texts.js';

interface CommonProps {
  children: ReactNode;
  /** Of numbers, money and dates; BCP 47. Default: `en-US`. */
  locale?: string | undefined;
  /** IANA. Default: `UTC`, in which the limits of days and months reset. */
  timeZone?: string | undefined;
  /** Replaces texts, for another language or in your own words. */
  texts?: TextOverrides | undefined;
  /** What your product is called in sentences such as "… has paused your payments". Default: the server's brand. */
  productName?: string | undefined;
  /** Where people get help and buy by agreement. Default: what the server's brand says; null: nowhere. */
  supportUrl?: string | null | undefined;
  /** `false`: everything is read at intervals instead of followed. Default: true. */
  live?: boolean | undefined;
  /** Called with what a person did, in words: for a toast. Default: the part says it itself. */
  onNotice?: ((text: string) => void) | undefined;
  /** Called with each error, for your log. The part shows it in any case. */
  onError?: ((error: unknown) => void) | undefined;
}

interface ServerProps {
  /** Where the billing server is. */
  url: string;
  /**
   * Fetches a tenant's token from your own server. It is called again when the token ends or is rejected. Without it, only
   * prices are shown.
   */
  token?: TokenSource | undefined;
  client?: undefined;
  tenant?: undefined;
}

interface ClientProps {
  url?: undefined;
  token?: undefined;
  /** A client of your own, such as one that sends a session's cookie. A new one drops what is known. */
  client: BillingClient;
  /** Names the tenant, where the client's credential does not. Null: nobody is signed in, so that only prices are shown. */
  tenant?: TenantArguments | null | undefined;
}

export type BillingProviderProps = CommonProps & (ServerProps | ClientProps);

/** What the parts take from the provider. */
export interface BillingContext {
  store: BillingStore;
  texts: Texts;
  formats: Formats;
  productName: string | undefined;
  supportUrl: string | null | undefined;
  onNotice: ((text: string) => void) | undefined;
  onError(error: unknown): void;
}

const Context = createContext<BillingContext | null>(null);

export function useBillingContext(): BillingContext {
  const context = useContext(Context);
  if (!context)
    throw new Error('Parts and hooks of @continuum-billing/react need a <BillingProvider> around them');
  return context;
}

/**
 * Gives the parts and hooks below it one connection to the billing server, and one memory of what was read. For another
 * tenant, give it another `key`.
 */
export function BillingProvider(props: BillingProviderProps) {
  const { children, url, client, tenant, locale, timeZone, texts, productName, supportUrl, onNotice } = props;
  const isLive = props.live ?? true;
  const isSignedIn = client ? tenant !== null : props.token !== undefined;
  const latest = useRef(props);
  useEffect(() => {
    latest.current = props;
  });
  const onError = useCallback((error: unknown) => latest.current.onError?.(error), []);
  const tenantKey = JSON.stringify(tenant ?? {});
  const store = useMemo(
    () =>
      createStore({
        client:
          client ??
          createBillingClient({
            url: url as string,
            // The function may be another one with each rendering.
            ...(isSignedIn && { token: () => askForToken(latest.current.token) }),
          }),
        tenant: JSON.parse(tenantKey),
        hasTenant: isSignedIn,
        isLive,
        onError,
      }),
    [client, url, isSignedIn, tenantKey, isLive, onError],
  );
  useEffect(() => store.start(), [store]);
  const value = useMemo(() => {
    const merged = mergedTexts(texts);
    return {
      store,
      texts: merged,
      formats: createFormats({ locale, timeZone, language: merged.language }),
      productName,
      supportUrl,
      onNotice,
      onError,
    };
  }, [store, texts, locale, timeZone, productName, supportUrl, onNotice, onError]);
  // React 18 has no <Context>.
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

function askForToken(source: TokenSource | undefined): ReturnType<TokenSource> {
  if (!source) throw new Error('The token of the BillingProvider was taken away');
  return source();
}
