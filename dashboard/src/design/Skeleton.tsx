import { cx } from './cx.js';
import styles from './Skeleton.module.css';
import { VisuallyHidden } from './VisuallyHidden.js';

/** Stands where something will be, in its size, so that nothing jumps. */
export function Skeleton({ lines = 3, block }: { lines?: number; block?: boolean }) {
  return (
    <div className={styles.lines} role="status">
      <VisuallyHidden>Loading</VisuallyHidden>
      {block ? (
        <span className={cx(styles.skeleton, styles.block)} />
      ) : (
        Array.from({ length: lines }, (_, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all the same
          <span key={index} className={styles.skeleton} />
        ))
      )}
    </div>
  );
}
