import { readFileSync, statSync } from 'node:fs';
import { isExternalId } from '../../services/accounts/tenantDirectory.js';
import { tenantIdTime } from '../../services/accounts/tenants.js';
import type { CustomerRow } from '../../services/billing/customerImport/importOptions.js';
import { CommandError } from '../output.js';
import { type CsvRecord, parseCsv } from './csv.js';

const COLUMNS = ['customer_id', 'tenant_id', 'external_id', 'name', 'email'] as const;
type Column = (typeof COLUMNS)[number];
/** In the column `tenant_id`: leave the customer out. */
const EXCLUDED = 'none';
/** The whole file is in memory. */
const MAX_BYTES = 100_000_000;
const MAX_LISTED = 20;
const MAX_TEXT = 200;
const MAX_EMAIL = 320;

/** Lists what is wrong with a file. */
class CustomerFileError extends CommandError {
  constructor(message: string) {
    super('WRONG_INPUT', message);
  }
}

/** @throws CustomerFileError that lists all errors */
export function readCustomerFile(file: string): Map<string, CustomerRow> {
  const text = readText(file);
  const errors: string[] = [];
  const fail = (problem: string) => new CustomerFileError(`${file}: ${problem}`);
  const [header, ...records] = parse(text, fail);
  const columns = (header?.fields ?? []).map((name) => name.trim().toLowerCase());
  const unknown = columns.filter((name) => !COLUMNS.some((column) => column === name));
  const known = `the columns are ${COLUMNS.join(', ')}`;
  if (!columns.includes('customer_id')) throw fail(`has no column customer_id; ${known}`);
  if (unknown.length > 0) throw fail(`has unknown columns: ${unknown.join(', ')}; ${known}`);
  if (new Set(columns).size !== columns.length) throw fail('has a column twice');
  const rows = new Map<string, CustomerRow>();
  const seen = new Map<string, number>();
  for (const record of records) {
    const values = valuesOf(record, columns, errors);
    if (!values) continue;
    checkOnce(record.line, values, seen, errors);
    rows.set(values.customer_id ?? '', rowOf(record.line, values, errors));
  }
  if (errors.length === 0) return rows;
  const listed = errors.slice(0, MAX_LISTED);
  if (errors.length > MAX_LISTED) listed.push(`and ${errors.length - MAX_LISTED} more`);
  throw fail(`has errors:\n${listed.map((error) => `  - ${error}`).join('\n')}`);
}

function readText(file: string): string {
  try {
    if (statSync(file).size > MAX_BYTES)
      throw new Error(`is larger than ${MAX_BYTES / 1_000_000} MB; split it`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CustomerFileError(`${file}: ${(error as Error).message}`);
  }
}

function parse(text: string, fail: (problem: string) => Error): CsvRecord[] {
  try {
    return parseCsv(text);
  } catch (error) {
    throw fail((error as Error).message);
  }
}

type Values = Partial<Record<Column, string | null>>;

function valuesOf({ line, fields }: CsvRecord, columns: string[], errors: string[]): Values | null {
  if (fields.length !== columns.length) {
    errors.push(`line ${line} has ${fields.length} fields instead of ${columns.length}`);
    return null;
  }
  const trimmed = fields.map((value) => value.trim() || null);
  return Object.fromEntries(columns.map((column, i) => [column, trimmed[i] ?? null]));
}

/** No customer, tenant and external id may be there twice. */
function checkOnce(line: number, values: Values, seen: Map<string, number>, errors: string[]): void {
  for (const column of ['customer_id', 'tenant_id', 'external_id'] as const) {
    const value = values[column];
    if (!value || (column === 'tenant_id' && value === EXCLUDED)) continue;
    const key = `${column} ${value}`;
    const first = seen.get(key);
    if (first !== undefined) errors.push(`line ${line}: ${key} is in line ${first} already`);
    else seen.set(key, line);
  }
}

function rowOf(line: number, values: Values, errors: string[]): CustomerRow {
  const { customer_id: customer, tenant_id: tenant, external_id: external, name, email } = values;
  const isExcluded = tenant === EXCLUDED;
  const need = (isRight: boolean, problem: string) => {
    if (!isRight) errors.push(`line ${line}: ${problem}`);
  };
  need(Boolean(customer), 'customer_id is empty');
  need(!tenant || isExcluded || tenantIdTime(tenant) !== null, `tenant_id ${tenant} is no tenant's id`);
  need(!external || isExternalId(external), 'external_id must have at most 200 printable characters');
  need((name ?? '').length <= MAX_TEXT, `name has more than ${MAX_TEXT} characters`);
  need(!email || (email.length <= MAX_EMAIL && /^[^\s@]+@[^\s@]+$/.test(email)), `email ${email} is none`);
  return {
    isExcluded,
    tenantId: isExcluded ? null : (tenant ?? null),
    externalId: external ?? null,
    name: name ?? null,
    email: email ?? null,
  };
}
