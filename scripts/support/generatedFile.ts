import { readFileSync, writeFileSync } from 'node:fs';

/** Writes a generated file; or only compares it, and lets the process fail if it is stale. @param command writes it */
export function keepFile(
  file: string,
  text: string,
  { check, command }: { check: boolean; command: string },
): void {
  if (!check) {
    writeFileSync(file, text);
    console.log(`${file} written`);
  } else if (readFileSync(file, 'utf8') === text) {
    console.log(`${file} is up to date`);
  } else {
    console.error(`${file} is stale: run ${command}, and commit it`);
    process.exitCode = 1;
  }
}
