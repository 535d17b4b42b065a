import { createRequire } from 'node:module';

const { devDependencies } = createRequire(import.meta.url)('continuum-billing/package.json') as {
  devDependencies: Record<string, string>;
};

/**
 * Loads a package that only some installations need and that is large, so that it is no dependency. Without its types, a
 * production build does not need it either.
 * @param neededFor the environment variable that asks for it
 * @throws with the command that installs it
 */
export async function importOptional<T>(name: string, neededFor: string): Promise<T> {
  try {
    return (await import(name)) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    const version = devDependencies[name];
    throw new Error(
      `${neededFor} needs the package ${name}, which is not installed: npm install --no-save --omit=dev ${name}@${version}`,
      { cause: error },
    );
  }
}
