import { ConfigError } from '../../src/config/config.js';
import type { ImportProgress } from '../../src/services/billing/customerImport/customerImport.js';
import { type ImportReport, openQuestions } from '../../src/services/billing/customerImport/importReport.js';
import { ImportOptionError } from '../../src/services/billing/customerImport/priceTiers.js';
import { describeFailure } from '../../src/services/billing/stripe/stripeErrors.js';
import { hideProgress, showProgress } from '../support/progressBar.js';
import { withServices } from '../support/services.js';
import { CustomerFileError } from './customerFile.js';
import { ArgumentError, HELP, type ImportArguments, readImportArguments } from './importArguments.js';
import { findingText, reportText } from './reportText.js';

/** Where a command runs. */
export interface Terminal {
  env: NodeJS.ProcessEnv;
  stdout: { write(text: string): unknown };
  stderr: { write(text: string): unknown; isTTY?: boolean };
}

const DOING: Record<ImportProgress['phase'], string> = {
  reading: 'customers read',
  linking: 'customers matched and linked',
  'ended subscriptions': 'ended subscriptions compared',
};

/** @returns the exit code */
export async function importCommand(args: readonly string[], terminal: Terminal = process): Promise<number> {
  const { stdout, stderr } = terminal;
  try {
    const read = readImportArguments(args);
    if (read) return openQuestions(await run(read, terminal)) > 0 ? 1 : 0;
    stdout.write(HELP);
    return 0;
  } catch (error) {
    const text = isOurs(error)
      ? error.message
      : `The import did not finish, and may be started again: ${describeFailure(error)}`;
    stderr.write(`${text}\n`);
    return 1;
  }
}

async function run(options: ImportArguments, { env, stdout, stderr }: Terminal): Promise<ImportReport> {
  const { json, dryRun } = options;
  const print = (text: string) => stdout.write(`${text}\n`);
  const command = { failure: 'import.failed', writes: !dryRun, env };
  return withServices(command, async ({ customerImport }) => {
    const report = await customerImport.run(options, {
      onFinding(finding) {
        hideProgress(stderr);
        print(json ? JSON.stringify(finding) : findingText(finding, dryRun));
      },
      onProgress: ({ phase, seen, total }) =>
        showProgress(total && seen / total, `${seen} ${DOING[phase]}`, stderr),
    });
    print(json ? JSON.stringify({ kind: 'report', ...report }) : reportText(report, openQuestions(report)));
    return report;
  });
}

const isOurs = (error: unknown): error is Error =>
  String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS') ||
  error instanceof ConfigError ||
  error instanceof ArgumentError ||
  error instanceof CustomerFileError ||
  error instanceof ImportOptionError;
