import { runCommand } from './runCommand.js';

const code = await runCommand(process.argv.slice(2), process);
// A check that timed out may still hold a connection open. What was printed is written before the process ends.
process.stdout.write('', () => process.exit(code));
