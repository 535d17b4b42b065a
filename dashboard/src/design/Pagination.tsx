import { useState } from 'react';
import { Button } from './Button.js';
import { useExplain } from './explanation.js';
import { formatCount } from './format.js';
import { toast } from './toastQueue.js';

/**
 * For lists by cursor. The cache joins the pages, see api/cache.ts:
 * `<Pagination shown={edges.length} noun="tenant" more={pageInfo.hasNextPage} onMore={() => fetchMore({ variables: { after: pageInfo.endCursor } })} />`
 */
export function Pagination({
  shown,
  noun,
  plural,
  more,
  onMore,
}: {
  shown: number;
  noun: string;
  plural?: string;
  more: boolean;
  onMore(): Promise<unknown>;
}) {
  const explain = useExplain();
  const [pending, setPending] = useState(false);
  async function load(): Promise<void> {
    setPending(true);
    try {
      await onMore();
    } catch (error) {
      const { message, advice } = explain(error);
      toast({ tone: 'danger', title: 'The next page did not load', text: `${message} ${advice}` });
    } finally {
      setPending(false);
    }
  }
  return (
    <>
      <span aria-live="polite">
        {formatCount(shown, noun, plural)} shown{more ? '' : ', that is all'}
      </span>
      {more && (
        <Button size="small" pending={pending} onClick={load}>
          Load more
        </Button>
      )}
    </>
  );
}
