// Preloaded into a server: each SIGUSR2 sets its clock to the next of these offsets, as if somebody had set the machine's.
const HOUR_MS = 3_600_000;
const OFFSETS_MS = [HOUR_MS, -HOUR_MS, 25 * HOUR_MS, 0];

const RealDate = Date;
let steps = 0;
let offsetMs = 0;

class SteppedDate extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) super(RealDate.now() + offsetMs);
    else super(...parts);
  }
  static now() {
    return RealDate.now() + offsetMs;
  }
}
// Mongoose knows the type by its name.
Object.defineProperty(SteppedDate, 'name', { value: 'Date' });
globalThis.Date = SteppedDate;

process.on('SIGUSR2', () => {
  offsetMs = OFFSETS_MS[steps++ % OFFSETS_MS.length];
  process.stderr.write(`clock set to ${new Date().toISOString()}\n`);
});
