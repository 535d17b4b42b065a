import type { ImportProgress } from '../../services/billing/customerImport/customerImport.js';
import type { ImportOptions } from '../../services/billing/customerImport/importOptions.js';
import { openQuestions } from '../../services/billing/customerImport/importReport.js';
import type { Output, Result } from '../output.js';
import { withServices } from '../services.js';
import { readCustomerFile } from './customerFile.js';
import { findingText, reportText } from './reportText.js';

const DOING: Record<ImportProgress['phase'], string> = {
  reading: 'customers read',
  linking: 'customers matched and linked',
  'ended subscriptions': 'ended subscriptions compared',
};

/** @param csv a file. @returns not done if something needs a person */
export async function importCustomers(
  output: Output,
  options: Omit<ImportOptions, 'rows'>,
  csv: string | undefined,
): Promise<Result> {
  const { dryRun } = options;
  const rows = csv === undefined ? new Map() : readCustomerFile(csv);
  const command = { failure: 'import.failed', writes: !dryRun };
  return withServices(output, command, async ({ customerImport }) => {
    const report = await customerImport.run(
      { ...options, rows },
      {
        onFinding: (finding) => output.item(finding, findingText(finding, dryRun)),
        onProgress: ({ phase, seen, total }) =>
          output.progress(total && seen / total, `${seen} ${DOING[phase]}`),
      },
    );
    const open = openQuestions(report);
    return { json: { report }, text: reportText(report, open), ok: open === 0 };
  });
}
