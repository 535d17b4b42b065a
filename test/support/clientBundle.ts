import { build, type Rolldown } from 'vite';

/** The client as an app's bundler makes it: one script that defines `billing`. */
export async function bundleClient(): Promise<Rolldown.OutputChunk> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: true,
      lib: { entry: 'packages/client/src/index.ts', formats: ['iife'], name: 'billing', fileName: 'billing' },
    },
  });
  const [{ output }] = result as [Rolldown.RolldownOutput];
  return output[0];
}
