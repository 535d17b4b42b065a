import { globSync, readFileSync } from 'node:fs';

/** README.md and the pages of docs/. The decisions are records of their time: what they show need not work today. */
export const DOCUMENTS = globSync(['README.md', 'docs/**/*.md'], {
  exclude: ['docs/decisions/**'],
}).toSorted();

export interface CodeBlock {
  /** Where it is: `docs/usage.md:12`. */
  place: string;
  language: string;
  code: string;
  /** Whether nothing stands between it and the block before it. */
  follows: boolean;
}

/** The fenced blocks of a document, in order, without the indentation that they have in a list. */
export function codeBlocks(document: string): CodeBlock[] {
  const text = readFileSync(document, 'utf8');
  let end = 0;
  return Array.from(text.matchAll(/^( *)```(\w*)\n(.*?)^\1```$/gms), (match) => {
    const [all, indentation = '', language = '', code = ''] = match;
    const follows = end > 0 && text.slice(end, match.index).trim() === '';
    end = match.index + all.length;
    return {
      place: `${document}:${text.slice(0, match.index).split('\n').length}`,
      language,
      code: code.replaceAll(new RegExp(`^${indentation}`, 'gm'), ''),
      follows,
    };
  });
}

/** The code of a document in one language. */
export const codeIn = (document: string, language: string): string[] =>
  codeBlocks(document)
    .filter((block) => block.language === language)
    .map(({ code }) => code);

/** All blocks of a language in all documents. */
export const allBlocks = (language: string): CodeBlock[] =>
  DOCUMENTS.flatMap(codeBlocks).filter((block) => block.language === language);
