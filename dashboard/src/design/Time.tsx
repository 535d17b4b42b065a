import { formatInstant, formatRelative, NONE } from './format.js';

/** An instant in UTC; pointing at it shows how long ago it was. `relative` shows that first. */
export function Time({ at, relative }: { at: string | null | undefined; relative?: boolean | undefined }) {
  if (!at) return <>{NONE}</>;
  const instant = formatInstant(at, { seconds: true });
  const distance = formatRelative(at);
  return (
    <time dateTime={at} title={relative ? instant : `${distance} (${instant})`}>
      {relative ? distance : formatInstant(at)}
    </time>
  );
}
