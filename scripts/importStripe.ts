import { importCommand } from './importStripe/importCommand.js';

process.exitCode = await importCommand(process.argv.slice(2));
