import { defineConfig } from 'vitepress';
import { checkAllPagesAreListed, sidebar } from './pages.mjs';
import { plainMarkdown } from './plainMarkdown.mjs';

checkAllPagesAreListed();

export default defineConfig({
  title: 'Continuum Billing',
  description:
    'A GraphQL billing server: sells tiers through Stripe and enforces their limits inside the schema',
  lang: 'en',
  outDir: '../dist/docs',
  cacheDir: '../dist/.vitepress',
  rewrites: { 'README.md': 'index.md', ':folder/README.md': ':folder/index.md' },
  cleanUrls: true,
  // Pictures follow the system's setting, on GitHub as here, so there is no switch beside it.
  appearance: 'force-auto',
  markdown: plainMarkdown,
  // The target of the project's tsconfig.json is newer than Vite's esbuild.
  vite: { esbuild: { tsconfigRaw: {} } },
  themeConfig: {
    sidebar: sidebar(),
    outline: { level: [2, 3] },
    search: { provider: 'local' },
    docFooter: { prev: false, next: false },
  },
});
