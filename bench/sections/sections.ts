import type { Section } from '../bench.js';
import { admission } from './admission.js';
import { consume } from './consume.js';
import { exact } from './exact.js';
import { growth } from './growth.js';
import { hostile } from './hostile.js';
import { http } from './http.js';
import { library } from './library.js';
import { observability } from './observability.js';
import { overview } from './overview.js';
import { realtime } from './realtime.js';
import { sizing } from './sizing.js';
import { storing } from './storing.js';
import { usageEvents } from './usageEvents.js';
import { webhooks } from './webhooks.js';

/** In the order in which they run. */
export const SECTIONS = {
  http,
  consume,
  storing,
  sizing,
  library,
  admission,
  exact,
  events: usageEvents,
  webhooks,
  growth,
  overview,
  hostile,
  observability,
  realtime,
} satisfies Record<string, Section>;

export type SectionName = keyof typeof SECTIONS;
