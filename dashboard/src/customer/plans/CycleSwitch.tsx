import { Segments } from '../../design/index.js';
import { type Cycle, cycleKey, cycleLabel } from '../../prices/prices.js';

/** Chooses how often the prices that are shown are paid; nothing where there is no choice. */
export function CycleSwitch({
  cycles,
  value,
  onChange,
}: {
  cycles: readonly Cycle[];
  value: Cycle | null;
  onChange(cycle: Cycle): void;
}) {
  if (cycles.length < 2) return null;
  return (
    <div>
      <Segments
        label="How often you pay"
        value={cycleKey(value ?? (cycles[0] as Cycle))}
        onChange={(key) => {
          const chosen = cycles.find((cycle) => cycleKey(cycle) === key);
          if (chosen) onChange(chosen);
        }}
        options={cycles.map((cycle) => ({ value: cycleKey(cycle), label: cycleLabel(cycle) }))}
      />
    </div>
  );
}
