/** A record of a CSV, with the number of its first line. */
export interface CsvRecord {
  line: number;
  fields: string[];
}

/**
 * Parses comma-separated values (RFC 4180): a field in quotation marks may have commas, line breaks, and quotation marks
 * written twice. Empty lines are left out.
 * @throws Error that names the line
 */
export function parseCsv(text: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  // A field in quotation marks or a plain one, and what ends it.
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y;
  let line = 1;
  let record: CsvRecord = { line, fields: [] };
  // Spreadsheets begin a file of UTF-8 with a mark.
  field.lastIndex = text.startsWith('\ufeff') ? 1 : 0;
  for (;;) {
    const found = field.exec(text);
    if (!found) throw new Error(`line ${line}: a quotation mark is out of place`);
    const [matched, quoted, plain = '', end] = found;
    record.fields.push(quoted?.replaceAll('""', '"') ?? plain);
    line += matched.match(/\r\n|\n|\r/g)?.length ?? 0;
    if (end === ',') continue;
    if (record.fields.some((value) => value !== '')) records.push(record);
    if (field.lastIndex >= text.length) return records;
    record = { line, fields: [] };
  }
}
