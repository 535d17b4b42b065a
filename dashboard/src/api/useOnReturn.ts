import { useEffect, useRef } from 'react';

/** Reads as soon as a person comes back to the tab: while it was hidden, nothing was (client.ts). */
export function useOnReturn(read: () => unknown): void {
  const latest = useRef(read);
  useEffect(() => {
    latest.current = read;
  });
  useEffect(() => {
    const onChange = () => {
      if (!document.hidden) latest.current();
    };
    document.addEventListener('visibilitychange', onChange);
    return () => document.removeEventListener('visibilitychange', onChange);
  }, []);
}
