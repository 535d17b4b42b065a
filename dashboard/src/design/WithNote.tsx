import type { ReactNode } from 'react';
import styles from './Card.module.css';

/** Something with a note below it, in a cell of a table. */
export function WithNote({ note, children }: { note?: ReactNode; children: ReactNode }) {
  return (
    <>
      <div>{children}</div>
      {note && <div className={styles.note}>{note}</div>}
    </>
  );
}
