import type { Section } from '../bench.js';
import { http } from './http.js';

/** In the order in which they run. */
export const SECTIONS = { http } satisfies Record<string, Section>;

export type SectionName = keyof typeof SECTIONS;
