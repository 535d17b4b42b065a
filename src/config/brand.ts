import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { contrastOf, TEXT_CONTRAST } from '../common/contrast.js';

/** How the team's product is called and looks, on the pages for customers and at Stripe. */
export interface Brand {
  productName: string;
  logo: Logo | null;
  /** `#rrggbb`, lower case; null: the pages' own. */
  accentColor: string | null;
  supportEmail: string | null;
  supportUrl: string | null;
}

export interface Logo {
  type: 'image/svg+xml' | 'image/png' | 'image/webp';
  bytes: Buffer;
  /** Of its content, so that browsers may keep it. */
  digest: string;
}

export const DEFAULT_BRAND: Brand = {
  productName: 'Continuum',
  logo: null,
  accentColor: null,
  supportEmail: null,
  supportUrl: null,
};

const MAX_LOGO_BYTES = 200_000;
/** Stripe shows it on cards' statements and invoices, before the name of a tier. */
const MAX_NAME = 60;
const WHITE = '#ffffff';

const brandFile = z.strictObject({
  productName: z
    .string('must be a string')
    .regex(
      /^(?=\S)[^\p{Cc}]+(?<=\S)$/u,
      `must have 1 to ${MAX_NAME} printable characters, without spaces at its ends`,
    )
    .max(MAX_NAME, `must have at most ${MAX_NAME} characters`),
  logo: z.string('must be the path of a file').min(1, 'must be the path of a file').optional(),
  accentColor: z
    .string('must be a colour such as #0b62d6')
    .regex(/^#[\da-f]{6}$/i, 'must be a colour such as #0b62d6')
    .transform((colour) => colour.toLowerCase())
    .superRefine((colour, context) => {
      const contrast = contrastOf(colour, WHITE);
      if (contrast < TEXT_CONTRAST)
        context.addIssue({
          code: 'custom',
          message:
            `${colour} has a contrast of ${contrast.toFixed(1)} with white, and needs at least ${TEXT_CONTRAST}: ` +
            'white text on it, and text in it on white, could not be read. Take a darker one',
        });
    })
    .optional(),
  supportEmail: z.email('must be an e-mail address').max(320).optional(),
  supportUrl: z
    .url({ protocol: /^https?$/, error: 'must be an http(s) URL' })
    .max(2048)
    .optional(),
});

/**
 * Reads `BRAND_FILE` and the logo that it names.
 * @param path null: no file, and the default brand
 * @param errors gets one line for each error
 */
export function readBrand(path: string | null, errors: string[]): Brand {
  if (path === null) return DEFAULT_BRAND;
  const report = (message: string) => errors.push(`BRAND_FILE (${path}): ${message}`);
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    report(reasonOf(error));
    return DEFAULT_BRAND;
  }
  const parsed = brandFile.safeParse(json);
  for (const { path: at, message } of parsed.error?.issues ?? [])
    report(`${at.join('.') || 'file'}: ${message}`);
  // A logo is checked even if something else is wrong, so that all errors are reported at once.
  const logoPath = z.looseObject({ logo: z.string().min(1) }).safeParse(json).data?.logo;
  let logo: Logo | null = null;
  try {
    logo = logoPath ? readLogo(resolve(dirname(path), logoPath)) : null;
  } catch (error) {
    report(`logo: ${reasonOf(error)}`);
  }
  if (!parsed.success) return { ...DEFAULT_BRAND, logo };
  const { productName, accentColor = null, supportEmail = null, supportUrl = null } = parsed.data;
  return { productName, logo, accentColor, supportEmail, supportUrl };
}

/** @throws an Error that says what is wrong with the file */
function readLogo(path: string): Logo {
  const { size } = statSync(path);
  if (size > MAX_LOGO_BYTES)
    throw new Error(`${path} has ${size} bytes, and may have at most ${MAX_LOGO_BYTES}`);
  const bytes = readFileSync(path);
  const type = typeOf(bytes);
  if (!type) throw new Error(`${path} is not an image in SVG, PNG or WebP`);
  return { type, bytes, digest: createHash('sha256').update(bytes).digest('hex').slice(0, 16) };
}

/** By what the file contains, whatever its name says. */
function typeOf(bytes: Buffer): Logo['type'] | null {
  if (bytes.subarray(0, 8).equals(Buffer.from('89504e470d0a1a0a', 'hex'))) return 'image/png';
  if (bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP')
    return 'image/webp';
  return SVG.test(bytes.toString('utf8')) ? 'image/svg+xml' : null;
}

/** The root element, after a declaration, a document type and comments. */
const SVG = /^\uFEFF?\s*(?:<\?xml[^>]*>\s*|<!DOCTYPE[^>]*>\s*|<!--(?:(?!-->)[\s\S])*-->\s*)*<svg[\s>]/i;

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file';
  return error instanceof SyntaxError ? `is not JSON: ${message}` : message;
}
