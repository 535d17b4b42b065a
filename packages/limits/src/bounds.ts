/** The most calls that one field, or one endpoint of an operation, may cost. */
export const MAX_COST = 1_000_000;
/** Endpoints are field names in MongoDB, so their names are short. */
export const MAX_ENDPOINT_LENGTH = 100;

// The billing server rejects a request that exceeds the following bounds. `remoteLimits` checks each operation against
// them first, so that one operation never causes others in the same request to be rejected.

/** Operations in one request. */
export const MAX_OPERATIONS = 500;
/** Entries in each list of an operation: charges, features, field limits, stored amounts. */
export const MAX_PARTS = 500;
/** Characters in the name of a field, feature or root field, and in an address. */
export const MAX_NAME_LENGTH = 200;
/** Characters in a receipt. 500 charges with the longest names need fewer. */
export const MAX_RECEIPT_LENGTH = 400_000;
