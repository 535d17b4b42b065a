/** A line of a section's table. What is not measured is left out. */
export interface Row {
  peer: string;
  /** Things done in a second. */
  throughput?: number;
  /** To the peer that the section names. */
  ratio?: number;
  p50Ms?: number;
  p99Ms?: number;
  /** The server's processor time for one of them. */
  cpuMs?: number;
  /** MongoDB's processor time for one of them. */
  mongodCpuMs?: number;
  /** Documents that one of them changes. */
  writes?: number;
  /** What one of them adds to MongoDB's journal, and how often that is synced for it. */
  journalBytes?: number;
  syncs?: number;
  /** The size of one answer, or of one document. */
  bytes?: number;
  /** What one document takes on disk, compressed, with its part of the indexes. */
  diskBytes?: number;
  /** What a rate needs of servers and of MongoDB. */
  cores?: number;
  instances?: number;
  mongodCores?: number;
  journalMbPerSecond?: number;
  syncsPerSecond?: number;
  /** Calls admitted past the limit. */
  overshoot?: number;
  /** Calls that were answered with success, and are not stored. */
  lost?: number;
}

export interface Target {
  what: string;
  /** As words, e.g. `at least 1.0`. */
  wanted: string;
  measured: string;
  met: boolean;
}

export interface Table {
  title: string;
  /** What the rows are, if they are no peers. */
  of?: string;
  /** What is counted in a second, e.g. `requests/s`. */
  unit: string;
  rows: Row[];
}

/** What a section found. */
export interface Findings {
  tables: Table[];
  targets: Target[];
  /** How it was measured, in sentences. */
  method: string;
}

export const ratioTarget = (what: string, wanted: number, measured: number): Target => ({
  what,
  wanted: `at least ${wanted}`,
  measured: measured.toFixed(2),
  met: measured >= wanted,
});

/** How much slower than a bare insert an answer may be that waits for one. */
const TO_BARE_INSERT = 2;

/**
 * The wanted latency of an answer that waits for a disk. No answer can come before MongoDB's own insert at the same pace
 * has ended, so on a machine where that takes longer than wanted, it is the target.
 */
export function durableTarget(what: string, wantedMs: number, measuredMs: number, insertMs: number): Target {
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  return {
    what,
    wanted: `below ${wantedMs} ms, or ${TO_BARE_INSERT} times a bare insert`,
    measured: `${ms(measuredMs)}, a bare insert ${ms(insertMs)}`,
    met: measuredMs < Math.max(wantedMs, TO_BARE_INSERT * insertMs),
  };
}

interface Column {
  title: (table: Table) => string;
  cell: (row: Row) => string | undefined;
}

const COLUMNS: Column[] = [
  { title: ({ of = 'peer' }) => of, cell: ({ peer }) => peer },
  { title: ({ unit }) => unit, cell: ({ throughput }) => whole(throughput) },
  { title: () => 'ratio', cell: ({ ratio }) => ratio?.toFixed(2) },
  { title: () => 'p50 ms', cell: ({ p50Ms }) => p50Ms?.toFixed(1) },
  { title: () => 'p99 ms', cell: ({ p99Ms }) => p99Ms?.toFixed(1) },
  { title: () => 'CPU ms', cell: ({ cpuMs }) => cpuMs?.toFixed(2) },
  { title: () => 'MongoDB CPU ms', cell: ({ mongodCpuMs }) => mongodCpuMs?.toFixed(2) },
  { title: () => 'writes', cell: ({ writes }) => writes?.toFixed(2) },
  { title: () => 'journal bytes', cell: ({ journalBytes }) => whole(journalBytes) },
  { title: () => 'syncs', cell: ({ syncs }) => syncs?.toFixed(3) },
  { title: () => 'bytes', cell: ({ bytes }) => whole(bytes) },
  { title: () => 'disk bytes', cell: ({ diskBytes }) => whole(diskBytes) },
  { title: () => 'server cores', cell: ({ cores }) => cores?.toFixed(2) },
  { title: () => 'instances', cell: ({ instances }) => whole(instances) },
  { title: () => 'MongoDB cores', cell: ({ mongodCores }) => mongodCores?.toFixed(2) },
  { title: () => 'journal MB/s', cell: ({ journalMbPerSecond }) => journalMbPerSecond?.toFixed(2) },
  { title: () => 'syncs/s', cell: ({ syncsPerSecond }) => whole(syncsPerSecond) },
  { title: () => 'overshoot', cell: ({ overshoot }) => whole(overshoot) },
  { title: () => 'lost calls', cell: ({ lost }) => whole(lost) },
];

const whole = (value: number | undefined) =>
  value === undefined ? undefined : Math.round(value).toLocaleString('en-US');

/** In Markdown, aligned, so that it reads on a terminal too. Columns that nobody fills are left out. */
export function tableText(table: Table): string {
  const columns = COLUMNS.filter(({ cell }) => table.rows.some((row) => cell(row) !== undefined));
  const head = columns.map(({ title }) => title(table));
  return grid(
    head,
    table.rows.map((row) => columns.map(({ cell }) => cell(row) ?? '')),
  );
}

export const targetsText = (targets: readonly Target[]): string =>
  grid(
    ['target', 'wanted', 'measured', ''],
    targets.map(({ what, wanted, measured, met }) => [what, wanted, measured, met ? 'met' : 'missed']),
  );

function grid(head: string[], rows: string[][]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  // Names to the left, numbers to the right.
  const pad = (text: string, i: number) => {
    const width = widths[i] as number;
    return i === 0 ? text.padEnd(width) : text.padStart(width);
  };
  const line = (cells: string[]) => `| ${cells.map(pad).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => '-'.repeat(width + 1) + (i === 0 ? '-' : ':')).join('|')}|`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/** One section, as text. */
export function findingsText({ tables, method }: Findings): string {
  const titled = tables.map((table) => `### ${table.title}\n\n${tableText(table)}`);
  return [...titled, method].join('\n\n');
}

/**
 * What everybody wants to know first: a peer's speed beside its exactness.
 * @param speed whose rows are told @param exactness adds overshoot and lost calls, by peer
 */
export function summaryText(speed: Table, exactness: Table): string {
  const rows = speed.rows.map((row) => ({
    ...exactness.rows.find(({ peer }) => peer === row.peer),
    ...row,
  }));
  return `${speed.title}, with calls admitted past a limit and calls lost after kill -9:\n\n${tableText({ ...speed, rows })}`;
}
