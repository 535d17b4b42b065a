/** What the server takes of operations of other services: the library keeps to it, so that none is refused for another. */
export const MAX_OPERATIONS = 500;
/** Of each list of an operation: charges, features, field limits, stores. */
export const MAX_PARTS = 500;
/** Of a field, a feature, an address, a root field. */
export const MAX_NAME_LENGTH = 200;
/** Of a receipt: that of 500 charges with the longest names is shorter. */
export const MAX_RECEIPT_LENGTH = 400_000;
/** Calls under one endpoint. */
export const MAX_COST = 1_000_000;
