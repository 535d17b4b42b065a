import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import { contrastOf, mix, readableOn, TEXT_CONTRAST } from '../common/contrast.js';
import { LOGO_PATH, type PublicBrand } from '../services/publicBrand.js';

/** An SVG that is opened by itself runs no script and loads nothing. */
const LOGO_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'";
const WHITE = '#ffffff';
const BLACK = '#000000';
/** What text lies on in dashboard/src/design: the ones with the least contrast. */
const LIGHT_SURFACES = [WHITE, '#f2f2f0'];
const DARK_SURFACE = '#222226';
const HIDDEN = { schema: { hide: true } };

/** The logo, and the accent colour as a stylesheet, because the pages allow no inline styles. */
export function brandRoutes({ brand }: { brand: PublicBrand }): FastifyPluginAsync {
  return async (app) => {
    app.get('/brand.css', HIDDEN, async (_request, reply) => {
      const { accentColor } = brand.read();
      return reply
        .type('text/css; charset=utf-8')
        .header('cache-control', 'no-cache')
        .send(accentColor === null ? '' : styleOf(accentColor));
    });
    const { logo } = brand;
    if (!logo) return;
    app.get<{ Querystring: { v?: string } }>(LOGO_PATH, HIDDEN, async ({ query }, reply: FastifyReply) => {
      const isVersioned = query.v === logo.digest;
      return reply
        .type(logo.type)
        .header('content-security-policy', LOGO_POLICY)
        .header('cache-control', isVersioned ? 'public, max-age=31536000, immutable' : 'no-cache')
        .send(logo.bytes);
    });
  };
}

/** The tokens of dashboard/src/design that follow from the accent, so that each can be read whatever the accent is. */
function styleOf(accent: string): string {
  const soft = mix(WHITE, accent, 0.1);
  const paler = mix(accent, WHITE, 0.12);
  const solidInDark = contrastOf(paler, WHITE) >= TEXT_CONTRAST ? paler : accent;
  const text = readableOn([...LIGHT_SURFACES, soft], accent, BLACK);
  const softInDark = mix(DARK_SURFACE, accent, 0.22);
  const textInDark = readableOn([DARK_SURFACE, softInDark], mix(accent, WHITE, 0.4), WHITE);
  // More specific than the pages' own stylesheet, so that the order of the two does not matter.
  return `html:root {
  --accent: ${accent};
  --on-accent: ${WHITE};
  --accent-solid: light-dark(${accent}, ${solidInDark});
  --accent-text: light-dark(${text}, ${textInDark});
}
`;
}
