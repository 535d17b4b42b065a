/** The pages are written for GitHub. This makes the site read them as GitHub does. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { MarkdownEnv, MarkdownOptions } from 'vitepress';
import { anchorOf } from './anchors.js';

type Renderer = Parameters<NonNullable<MarkdownOptions['config']>>[0];
type Token = ReturnType<Renderer['parse']>[number];

const PROJECT = join(import.meta.dirname, '../..');
const { repository } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as {
  repository?: { url: string };
};

/** Vite looks for a picture beside the page only if its path begins with a dot. */
const withDots = (html: string) => html.replaceAll(/(src|srcset)="(?=images\/)/g, '$1="./');

/**
 * Makes a link to a file of the repository outside docs/ one to the repository's address in package.json. Without an
 * address it becomes text.
 * @throws when there is no such file
 */
function linkToSource(link: Token, end: Token, page: string): void {
  const [file = '', anchor = ''] = String(link.attrGet('href')).split('#');
  const path = relative(PROJECT, join(dirname(page), file));
  if (!file.startsWith('../') || path.startsWith('docs/')) return;
  if (!existsSync(join(PROJECT, path)))
    throw new Error(`${relative(PROJECT, page)} links to ${path}, which does not exist`);
  if (repository) {
    const address = repository.url.replaceAll(/^git\+|\.git$/g, '');
    link.attrSet('href', `${address}/blob/main/${path}${anchor && `#${anchor}`}`);
    return;
  }
  for (const token of [link, end]) Object.assign(token, { type: 'text', tag: '', nesting: 0, attrs: null });
}

function readAsGitHub(tokens: Token[], page: string): void {
  for (const token of tokens) {
    if (token.type === 'html_block') token.content = withDots(token.content);
    const links = (token.children ?? []).filter(({ type }) => /^link_(open|close)$/.test(type));
    for (let index = 0; index < links.length; index += 2)
      linkToSource(links[index] as Token, links[index + 1] as Token, page);
  }
}

export const plainMarkdown: MarkdownOptions = {
  anchor: { slugify: anchorOf },
  config(renderer) {
    renderer.core.ruler.push('github', ({ tokens, env }) => {
      const { realPath, path } = env as MarkdownEnv;
      readAsGitHub(tokens, realPath ?? path);
    });
  },
};
