// Preloaded into a server, which then takes itself for an earlier version.
import { createRequire } from 'node:module';

createRequire(import.meta.url)('continuum-billing/package.json').version = process.env.EARLIER_VERSION;
