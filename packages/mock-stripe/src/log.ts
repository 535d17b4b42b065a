/** Where the mock logs to: any logger that takes fields and a message, such as pino. Messages begin with `[MOCK]`. */
export type Log = Record<'debug' | 'info' | 'warn' | 'error', (fields: object, message: string) => void>;
