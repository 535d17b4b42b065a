import { useState } from 'react';
import {
  Button,
  Card,
  FormDialog,
  formatDay,
  formatDuration,
  formatInstant,
  NumberField,
  parseWhole,
  Row,
  Select,
  Stack,
  Stat,
} from '../../design/index.js';
import { RoleGate } from '../session.js';
import { type MockState, moveClock, type Upcoming } from './api.js';
import type { Actions } from './useActions.js';

const HOUR_S = 3_600;
const DAY_S = 86_400;
/** As far as the server moves at once. */
const MAX_DAYS = 400;
/** A change of the clock may find thousands of renewals to make. */
const UNITS = [
  { value: 'hours', label: 'Hours', seconds: HOUR_S },
  { value: 'days', label: 'Days', seconds: DAY_S },
] as const;

const WORDS: Record<Upcoming['what'], string> = {
  trial_will_end: 'notice of the trial’s end',
  trial_end: 'end of the trial',
  renewal: 'renewal',
  payment_retry: 'next payment try',
  payments_resume: 'end of the pause of payments',
  cancellation: 'end of the subscription',
};

/** What time it is at the mock Stripe, and buttons that make time pass. */
export function ClockCard({ state, actions }: { state: MockState; actions: Actions }) {
  const [asking, setAsking] = useState(false);
  const move = (title: string, seconds: number) => actions.run(title, () => moveClock(seconds));
  const { now, aheadSeconds, isCatchingUp } = state;
  const button = (label: string, title: string, seconds: number) => (
    <Button size="small" pending={actions.pending === title} onClick={() => move(title, seconds)}>
      {label}
    </Button>
  );
  return (
    <Card title="Stripe’s clock" description="Renewals and trial ends happen when it passes them.">
      <Stack tight>
        <dl>
          <Stat
            plain
            label="It is now"
            value={formatInstant(now)}
            note={
              isCatchingUp
                ? 'Still catching up'
                : aheadSeconds < 1
                  ? 'The same as the server’s'
                  : `${formatDuration(aheadSeconds * 1_000)} ahead of the server’s`
            }
          />
        </dl>
        <RoleGate role="OWNER">
          <Row>
            {button('+1 hour', 'Moved the clock by an hour', HOUR_S)}
            {button('+1 day', 'Moved the clock by a day', DAY_S)}
            {button('+30 days', 'Moved the clock by 30 days', 30 * DAY_S)}
            <Button size="small" variant="ghost" onClick={() => setAsking(true)}>
              Custom…
            </Button>
          </Row>
          {nextOf(state).map(({ what, at, who }) => {
            const title = `Moved the clock to the ${WORDS[what]}${who ? ` of ${who}` : ''}`;
            const seconds = Math.ceil((Date.parse(at) - Date.parse(now)) / 1_000) + 1;
            return (
              <Button
                key={what}
                size="small"
                pending={actions.pending === title}
                onClick={() => move(title, Math.max(1, seconds))}
              >
                To the {WORDS[what]}, {formatDay(at)}
              </Button>
            );
          })}
        </RoleGate>
      </Stack>
      <MoveDialog open={asking} onClose={() => setAsking(false)} onMove={move} />
    </Card>
  );
}

/** The next change of each kind, of what is shown; the page cannot go back in time. */
function nextOf({ subscriptions, now }: MockState): (Upcoming & { who: string | null })[] {
  const all = subscriptions
    .flatMap(({ upcoming, tenant }) => upcoming.map((change) => ({ ...change, who: tenant?.name ?? null })))
    .filter(({ at }) => at > now)
    .sort((one, other) => one.at.localeCompare(other.at));
  const first = new Map<Upcoming['what'], Upcoming & { who: string | null }>();
  for (const change of all) if (!first.has(change.what)) first.set(change.what, change);
  return [...first.values()];
}

function MoveDialog({
  open,
  onClose,
  onMove,
}: {
  open: boolean;
  onClose(): void;
  onMove(title: string, seconds: number): Promise<boolean>;
}) {
  const [amount, setAmount] = useState('');
  const [unit, setUnit] = useState<string>('days');
  const { seconds, label } = UNITS.find(({ value }) => value === unit) ?? UNITS[1];
  const most = Math.floor((MAX_DAYS * DAY_S) / seconds);
  const count = parseWhole(amount, { min: 1, max: most });
  return (
    <FormDialog
      open={open}
      onClose={onClose}
      title="Move Stripe’s clock"
      submit="Move"
      ready={!!count}
      onSubmit={async () => {
        if (count) await onMove(`Moved the clock by ${count} ${label.toLowerCase()}`, count * seconds);
      }}
    >
      <NumberField
        label="How far"
        value={amount}
        onChange={setAmount}
        error={amount !== '' && !count && `Enter a whole number from 1 to ${most}.`}
      />
      <Select label="Unit" value={unit} onChange={setUnit} options={UNITS} />
      <p>The clock only goes forward, at most {MAX_DAYS} days at once.</p>
    </FormDialog>
  );
}
