import type { Section } from '../bench.js';
import { admission } from './admission.js';
import { exact } from './exact.js';
import { http } from './http.js';

/** In the order in which they run. */
export const SECTIONS = { http, admission, exact } satisfies Record<string, Section>;

export type SectionName = keyof typeof SECTIONS;
