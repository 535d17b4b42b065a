/** The load, in a process of its own: it does not share an event loop with what it measures. */
import autocannon from 'autocannon';
import { type LoadPlan, type LoadResult, type PacedPlan, shareOf } from './load.js';
import { runPaced } from './paced.js';

const TIMEOUT_S = 30;
/** How late it may notice that all requests were answered. */
const SAMPLE_MS = 20;

async function run({ url, connections, requests, until, persistent }: LoadPlan): Promise<LoadResult> {
  let connection = 0;
  const result = await autocannon({
    url,
    connections,
    timeout: TIMEOUT_S,
    // A server that was killed is not asked again and again.
    ...(!persistent && { bailout: connections }),
    ...('seconds' in until ? { duration: until.seconds } : { amount: until.requests, sampleInt: SAMPLE_MS }),
    setupClient(client) {
      const share = shareOf(requests, connection++, connections);
      client.setRequests(share.map((request) => ({ method: 'POST', ...request })));
    },
  });
  return {
    seconds: result.duration,
    succeeded: result['2xx'],
    refused: result.non2xx,
    failed: result.errors + result.timeouts,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
  };
}

process.on('message', (plan: LoadPlan | PacedPlan) => {
  ('perSecond' in plan ? runPaced(plan) : run(plan)).then(
    (result) => process.send?.({ result }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));
