import { type StartedProgram, startProgram } from './startedProgram.js';

/**
 * An example as its `npm run` script starts it. Build the server first. Resolves when all of it runs.
 * @param name a directory of examples/
 */
export const startExample = (name: string, mongodbUri: string): Promise<StartedProgram> =>
  startProgram(process.execPath, [`examples/${name}/start.mjs`], {
    ready: 'Ctrl-C ends it all',
    env: { PORT: '0', MONGODB_URI: mongodbUri, HOST: '127.0.0.1' },
  });
