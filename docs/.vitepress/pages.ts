import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const DOCS = join(import.meta.dirname, '..');
/** docs/decisions/README.md lists the decisions; they have no places of their own in the sidebar. */
const UNLISTED = /^(README\.md|decisions\/\d{4}-.*)$/;

export interface Group {
  text: string;
  items: { text: string; link: string }[];
}

/** The groups of the sidebar: the headings of docs/README.md, each with the links of its list. */
export function sidebar(): Group[] {
  const [, ...groups] = readFileSync(join(DOCS, 'README.md'), 'utf8').split(/^## /m);
  return groups.map((group) => ({
    text: group.slice(0, group.indexOf('\n')),
    items: [...group.matchAll(/^- \[(.+?)\]\((.+?)\)/gm)].map(([, text = '', file]) => ({
      text,
      link: `/${file}`,
    })),
  }));
}

/** Pages that docs/README.md does not list, and pages that it lists although they do not exist. */
export function unlistedPages(): string[] {
  const listed = sidebar().flatMap(({ items }) => items.map(({ link }) => link.slice(1)));
  const pages = readdirSync(DOCS, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.md') && !UNLISTED.test(file),
  );
  return [
    ...pages.filter((page) => !listed.includes(page)),
    ...listed.filter((page) => !pages.includes(page)),
  ];
}
