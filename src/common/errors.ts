import { BillingError, ErrorCode } from '@continuum-billing/limits/errors';

/** Every error that the server throws on purpose. Those that the library throws too are its own. */
export * from '@continuum-billing/limits/errors';

export const forbidden = (message: string) => new BillingError(ErrorCode.FORBIDDEN, message);

export const notFound = (what: string) => new BillingError(ErrorCode.NOT_FOUND, `${what} does not exist`);

export const tenantSuspended = (since: Date) =>
  new BillingError(
    ErrorCode.TENANT_SUSPENDED,
    `This tenant has been suspended since ${since.toISOString()}. Reading and paying still work; ask the operator to reinstate it`,
    { suspendedAt: since.toISOString() },
  );

export const featureNotAvailable = (feature: string, tier: string, upgradeUrl: string) =>
  new BillingError(
    ErrorCode.FEATURE_NOT_AVAILABLE,
    `Feature '${feature.toLowerCase()}' not available on ${tier.toLowerCase()} tier. Upgrade at ${upgradeUrl}`,
    { feature, tier, upgradeUrl },
  );

export interface StorageQuotaDetails {
  /** `memories`, `embeddings`, `bytes`, or one of the catalogue's. */
  resource: string;
  limit: number;
  /** What is stored now. */
  usage: number;
  /** How much more was asked for. */
  requested: number;
  tier: string;
  upgradeUrl: string;
}

export const storageQuotaExceeded = (message: string, details: StorageQuotaDetails) =>
  new BillingError(ErrorCode.STORAGE_QUOTA_EXCEEDED, message, { ...details });

/** @param requestedBytes null: not known, as the body was sent without its length */
export const payloadTooLarge = (limitBytes: number, requestedBytes: number | null) =>
  new BillingError(
    ErrorCode.PAYLOAD_TOO_LARGE,
    requestedBytes === null
      ? `The body has more than ${limitBytes} bytes, which is the most that is accepted`
      : `The body has ${requestedBytes} bytes; at most ${limitBytes} are accepted`,
    { limit: limitBytes, ...(requestedBytes !== null && { requested: requestedBytes }) },
  );

/** @param contentType null: none was sent */
export const unsupportedMediaType = (contentType: string | null) =>
  new BillingError(
    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    `The body must be sent with content-type: application/json; it came ${
      contentType === null ? 'without a content-type' : `with ${contentType.slice(0, 100)}`
    }`,
  );

/** @param limit bytes of JSON */
export const responseTooLarge = (limit: number) =>
  new BillingError(
    ErrorCode.RESPONSE_TOO_LARGE,
    `The response would have more than ${limit} bytes: select fewer fields, or ask for less at a time`,
    { limit },
  );
