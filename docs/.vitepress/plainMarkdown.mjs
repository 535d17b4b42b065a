// The pages are written for GitHub. This makes the site read them as GitHub does.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const DOCS = join(import.meta.dirname, '..');
const PROJECT = join(DOCS, '..');
const { repository } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8'));

/** The anchor that GitHub gives a heading. */
const anchorOf = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-');

/** Vite looks for a picture beside the page only if its path begins with a dot. */
const withDots = (html) => html.replaceAll(/(src|srcset)="(?=images\/)/g, '$1="./');

/**
 * A link to a file of the repository outside docs/. Without an address of the repository in package.json it is text.
 * @throws when there is no such file
 */
function linkToSource(token, end, page) {
  const href = token.attrGet('href');
  if (!href?.startsWith('../')) return;
  const [file, anchor] = href.split('#');
  const path = relative(PROJECT, join(dirname(page), file));
  if (!path.startsWith('..') && path.startsWith('docs/')) return;
  if (!existsSync(join(PROJECT, path)))
    throw new Error(`${relative(PROJECT, page)} links to ${path}, which does not exist`);
  if (repository) {
    token.attrSet(
      'href',
      `${repository.url.replace(/^git\+|\.git$/g, '')}/blob/main/${path}${anchor ? `#${anchor}` : ''}`,
    );
    return;
  }
  for (const part of [token, end])
    Object.assign(part, { type: 'text', tag: '', nesting: 0, content: '', attrs: null });
}

export const plainMarkdown = {
  anchor: { slugify: anchorOf },
  config(md) {
    md.core.ruler.push('github', ({ tokens, env }) => {
      for (const token of tokens) {
        if (token.type === 'html_block') token.content = withDots(token.content);
        const links =
          token.children?.filter(({ type }) => type === 'link_open' || type === 'link_close') ?? [];
        for (let index = 0; index < links.length; index += 2)
          linkToSource(links[index], links[index + 1], env.realPath ?? env.path);
      }
    });
  },
};
