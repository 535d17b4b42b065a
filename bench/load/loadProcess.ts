import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { LoadPlan, LoadResult, PacedPlan } from './load.js';

/** One process that loads one server at a time. */
export interface LoadProcess {
  run(plan: LoadPlan | PacedPlan): Promise<LoadResult>;
  end(): void;
}

export function startLoadProcess(): LoadProcess {
  const child = fork(new URL('./process.js', import.meta.url));
  const ended = once(child, 'exit').then(([code]) => ({ error: `the load's process ended with ${code}` }));
  return {
    async run(plan) {
      const answered = once(child, 'message').then(([message]) => message);
      child.send(plan);
      const answer: { result?: LoadResult; error?: string } = await Promise.race([answered, ended]);
      if (!answer.result) throw new Error(answer.error);
      return answer.result;
    },
    end: () => child.disconnect(),
  };
}
