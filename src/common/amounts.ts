const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB', 'PB'];
const STEP = 1_024;
const SINGULAR: Readonly<Record<string, string>> = {
  memories: 'memory',
  embeddings: 'embedding',
  calls: 'call',
};

const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

/** @returns for instance `1 byte`, `1.5 KB` or `100 MB` */
export function bytesText(bytes: number): string {
  if (bytes === 1) return '1 byte';
  let unit = 0;
  let amount = bytes;
  while (amount >= STEP && unit < UNITS.length - 1) {
    amount /= STEP;
    unit++;
  }
  return `${number.format(amount)} ${UNITS[unit]}`;
}

/** @param resource the plural name from the catalogue; `bytes` are shown in a suitable unit */
export function amountText(amount: number, resource: string): string {
  if (resource === 'bytes') return bytesText(amount);
  return `${number.format(amount)} ${amount === 1 ? (SINGULAR[resource] ?? resource) : resource}`;
}
