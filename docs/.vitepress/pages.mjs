// docs/README.md lists all pages, for readers on GitHub and for the sidebar of the site.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const DOCS = join(import.meta.dirname, '..');
/** Each decision is listed in docs/decisions/README.md; those pages have no place of their own in the sidebar. */
const UNLISTED = /^(README\.md|decisions\/\d{4}-.*)$/;

/** @returns the groups of the sidebar: the headings of docs/README.md, each with the links of its list */
export function sidebar() {
  const [, ...groups] = readFileSync(join(DOCS, 'README.md'), 'utf8').split(/^## /m);
  return groups.map((group) => ({
    text: group.slice(0, group.indexOf('\n')),
    items: [...group.matchAll(/^- \[(.+?)\]\((.+?)\)/gm)].map(([, text, file]) => ({
      text,
      link: `/${file}`,
    })),
  }));
}

/** @throws when a page is not in docs/README.md. A link to a page that does not exist fails the build by itself. */
export function checkAllPagesAreListed() {
  const listed = new Set(sidebar().flatMap(({ items }) => items.map(({ link }) => link.slice(1))));
  const missing = readdirSync(DOCS, { recursive: true })
    .map((file) => file.replaceAll('\\', '/'))
    .filter(
      (file) => file.endsWith('.md') && !file.startsWith('.') && !UNLISTED.test(file) && !listed.has(file),
    );
  if (missing.length > 0) throw new Error(`docs/README.md does not list ${missing.join(', ')}`);
}
