/** What is told of something with faults: how many there are, and one a line. */
export const faultsText = (what: string, faults: readonly string[]): string =>
  `${what} ${faults.length} fault(s):\n${faults.map((fault) => `  - ${fault}`).join('\n')}`;
