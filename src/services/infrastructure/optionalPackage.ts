import { createRequire } from 'node:module';

const { devDependencies } = createRequire(import.meta.url)('continuum-billing/package.json') as {
  devDependencies: Record<string, string>;
};

/**
 * Loads packages that only some installations need and that are large, so that they are no dependencies. Without their types,
 * a production build does not need them either.
 * @param modules as they are imported
 * @param neededFor the environment variable that asks for them
 * @throws with the command that installs them
 */
export async function importOptional<T extends readonly unknown[]>(
  modules: readonly string[],
  neededFor: string,
): Promise<T> {
  try {
    return (await Promise.all(modules.map((module) => import(module)))) as unknown as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    const packages = new Set(modules.map((module) => module.split('/').slice(0, 2).join('/')));
    const versions = [...packages].map((name) => `${name}@${devDependencies[name]}`).join(' ');
    throw new Error(
      `${neededFor} needs packages that are not installed: npm install --no-save --omit=dev ${versions}`,
      { cause: error },
    );
  }
}
