import { ErrorCode } from '../../common/errors.js';

/** By a key in either header. */
export const KEYS = [{ apiKey: [] }, { bearer: [] }];

/** The errors of every route that needs a key. */
export const ERRORS = [
  ErrorCode.BAD_USER_INPUT,
  ErrorCode.UNAUTHENTICATED,
  ErrorCode.FORBIDDEN,
  ErrorCode.INTERNAL_SERVER_ERROR,
  ErrorCode.SERVICE_UNAVAILABLE,
];

/** The further errors of a route that takes a body. */
export const BODY_ERRORS = [ErrorCode.PAYLOAD_TOO_LARGE, ErrorCode.UNSUPPORTED_MEDIA_TYPE];
