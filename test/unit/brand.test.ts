import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contrastOf, readableOn } from '../../src/common/contrast.js';
import { DEFAULT_BRAND, readBrand } from '../../src/config/brand.js';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'continuum-brand-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function write(name: string, content: string | Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

function errorsOf(brand: unknown): string[] {
  const path = write('brand.json', typeof brand === 'string' ? brand : JSON.stringify(brand));
  const errors: string[] = [];
  readBrand(path, errors);
  return errors.map((error) => error.replace(`BRAND_FILE (${path}): `, ''));
}

const SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>';

describe('a brand file', () => {
  it.each([
    ['logo.svg', SVG, 'image/svg+xml'],
    ['declared.svg', `<?xml version="1.0"?>\n<!DOCTYPE svg>\n<!-- a > b -->\n${SVG}`, 'image/svg+xml'],
    ['named-wrongly.svg', Buffer.from('89504e470d0a1a0a0000', 'hex'), 'image/png'],
    ['logo.webp', Buffer.from('RIFF....WEBPVP8 '), 'image/webp'],
  ])('has a logo beside it: %s', (logo, content, type) => {
    write(logo, content);
    const errors: string[] = [];
    const brand = readBrand(write('brand.json', JSON.stringify({ productName: 'Zebra', logo })), errors);
    expect(errors).toEqual([]);
    expect(brand).toMatchObject({ productName: 'Zebra', logo: { type }, accentColor: null });
  });

  it('is not needed', () => {
    expect(readBrand(null, [])).toEqual(DEFAULT_BRAND);
  });

  it.each<[string, unknown, string]>([
    ['JSON', '{', 'is not JSON'],
    ['no object', '[]', 'file: '],
    ['no name', {}, 'productName: must be a string'],
    ['an empty name', { productName: '' }, 'productName: must have 1 to 60'],
    ['a line break', { productName: 'Ze\nbra' }, 'productName: must have 1 to 60'],
    ['a long name', { productName: 'x'.repeat(61) }, 'productName: must have at most 60'],
    [
      'a colour by name',
      { productName: 'Zebra', accentColor: 'red' },
      'accentColor: must be a colour such as',
    ],
    [
      'a colour on which nothing can be read',
      { productName: 'Zebra', accentColor: '#ffcc00' },
      'accentColor: #ffcc00 has a contrast of 1.5 with white, and needs at least 4.5',
    ],
    ['no address', { productName: 'Zebra', supportEmail: 'help' }, 'supportEmail: must be an e-mail address'],
    [
      'a script',
      { productName: 'Zebra', supportUrl: 'javascript:alert(1)' },
      'supportUrl: must be an http(s) URL',
    ],
    ['a word nobody knows', { productName: 'Zebra', color: '#000000' }, 'file: Unrecognized key: "color"'],
    ['a logo that is not there', { productName: 'Zebra', logo: 'none.svg' }, 'logo: there is no such file'],
    ['a logo of another kind', { productName: 'Zebra', logo: 'brand.json' }, 'logo: '],
  ])('is rejected for %s', (_, brand, message) => {
    expect(errorsOf(brand)).toEqual([expect.stringContaining(message)]);
  });

  it('is rejected for a logo of more than 200 kB', () => {
    write('large.svg', `${SVG}${' '.repeat(200_000)}`);
    expect(errorsOf({ productName: 'Zebra', logo: 'large.svg' })).toEqual([
      expect.stringMatching(/^logo: .* has 2000\d\d bytes, and may have at most 200000$/),
    ]);
  });

  it('reports all its errors at once', () => {
    expect(errorsOf({ productName: '', accentColor: '#ffffff', logo: 'none.png' })).toHaveLength(3);
  });
});

describe('contrast', () => {
  it('is that of WCAG', () => {
    expect(contrastOf('#000000', '#ffffff')).toBeCloseTo(21);
    expect(contrastOf('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
    expect(contrastOf('#123456', '#123456')).toBe(1);
  });

  it('is reached for every colour that a brand may have', () => {
    for (let hue = 0; hue < 0xffffff; hue += 0x010b07) {
      const colour = `#${hue.toString(16).padStart(6, '0')}`;
      expect(contrastOf(readableOn(['#222226'], colour, '#ffffff'), '#222226')).toBeGreaterThanOrEqual(4.5);
    }
  });
});
