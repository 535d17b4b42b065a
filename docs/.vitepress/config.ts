import { defineConfig } from 'vitepress';
import { sidebar, unlistedPages } from './pages.js';
import { plainMarkdown } from './plainMarkdown.js';

const unlisted = unlistedPages();
if (unlisted.length > 0)
  throw new Error(`docs/README.md must list exactly the pages that exist: ${unlisted.join(', ')}`);

export default defineConfig({
  title: 'Continuum Billing',
  description:
    'A GraphQL billing server: sells tiers through Stripe and enforces their limits inside the schema',
  lang: 'en',
  outDir: '../dist/docs',
  cacheDir: '../dist/.vitepress',
  rewrites: { 'README.md': 'index.md', ':folder/README.md': ':folder/index.md' },
  cleanUrls: true,
  // Pictures follow the system's setting, on GitHub and here, so a switch would not change them.
  appearance: 'force-auto',
  markdown: plainMarkdown,
  // Vite's esbuild does not know the target in the project's tsconfig.json.
  vite: { esbuild: { tsconfigRaw: {} } },
  themeConfig: {
    sidebar: sidebar(),
    outline: { level: [2, 3] },
    search: { provider: 'local' },
    docFooter: { prev: false, next: false },
  },
});
