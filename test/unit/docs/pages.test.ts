import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchorOf } from '../../../docs/.vitepress/anchors.js';
import { unlistedPages } from '../../../docs/.vitepress/pages.js';

const documents = globSync('**/*.md', { exclude: ['**/node_modules', 'dist', 'coverage', '.data'] });

const withoutBlocks = (text: string) => text.replaceAll(/^( *)```.*?^\1```$/gms, '');

/** The anchors of a document's headings. */
function anchorsOf(file: string): Set<string> {
  const seen = new Map<string, number>();
  const headings = withoutBlocks(readFileSync(file, 'utf8')).matchAll(/^#{1,6} (.+)$/gm);
  return new Set(
    Array.from(headings, ([, heading = '']) => {
      const anchor = anchorOf(heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1'));
      const times = seen.get(anchor) ?? 0;
      seen.set(anchor, times + 1);
      return times === 0 ? anchor : `${anchor}-${times}`;
    }),
  );
}

function deadLinksOf(document: string): string[] {
  const prose = withoutBlocks(readFileSync(document, 'utf8')).replaceAll(/`[^`\n]*`/g, '`');
  const links = [
    ...prose.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)/g),
    ...prose.matchAll(/(?:src|srcset)="(?!https?:)([^"]+)"/g),
  ];
  return links
    .filter(([, file, anchor]) => {
      const target = file ? normalize(join(dirname(document), file)) : document;
      if (!existsSync(target)) return true;
      return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor);
    })
    .map(([link]) => link);
}

describe('the documentation', () => {
  it('has every page in the list of docs/README.md, and no others', () => {
    expect(unlistedPages()).toEqual([]);
  });

  it('links to files and headings that exist', () => {
    const dead = documents.flatMap((document) => deadLinksOf(document).map((link) => `${document}: ${link}`));
    expect(dead).toEqual([]);
  });
});
