/** Contrast between colours as WCAG 2 defines it. Colours are `#rrggbb`. */

/** What WCAG asks of text (level AA). */
export const TEXT_CONTRAST = 4.5;
const STEP = 0.02;

/** @returns 1 for the same colour, up to 21 for black and white */
export function contrastOf(a: string, b: string): number {
  const [darker = 0, lighter = 0] = [luminanceOf(a), luminanceOf(b)].sort((x, y) => x - y);
  return (lighter + 0.05) / (darker + 0.05);
}

/** @returns the colour, mixed with as little of another one as it needs to be read on all backgrounds */
export function readableOn(backgrounds: readonly string[], colour: string, towards: string): string {
  for (let share = 0; share < 1; share += STEP) {
    const mixed = mix(colour, towards, share);
    if (backgrounds.every((background) => contrastOf(mixed, background) >= TEXT_CONTRAST)) return mixed;
  }
  return towards;
}

/** @param share of the second colour, 0 to 1 */
export function mix(a: string, b: string, share: number): string {
  const [from, to] = [channelsOf(a), channelsOf(b)];
  const mixed = from.map((value, i) => Math.round(value + ((to[i] as number) - value) * share));
  return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}

const channelsOf = (colour: string): number[] =>
  [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));

function luminanceOf(colour: string): number {
  const [red = 0, green = 0, blue = 0] = channelsOf(colour).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
