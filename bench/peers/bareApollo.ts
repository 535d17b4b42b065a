/** Apollo's standalone server alone: no key, no limit, nothing counted. */
import { serveMemories } from './memoryServer.js';

await serveMemories();
