import { setTimeout as sleep } from 'node:timers/promises';

const MAX_WAITS = 20;

/** Talks to a running server as its operator. */
export function createClient({ url, key }) {
  async function send(path, body, apiKey = key) {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': apiKey },
      body: JSON.stringify(body),
      redirect: 'manual',
    }).catch((error) => {
      throw new Error(`No server answers at ${url}: ${error.cause?.message ?? error.message}`);
    });
    return { status: response.status, answer: await response.json().catch(() => ({})) };
  }

  /** @returns the response, whether it was rejected or not */
  const ask = async (query, variables, apiKey) =>
    (await send('/graphql', { query, variables }, apiKey)).answer;

  return {
    url,
    ask,
    /** @returns the data. Waits where the operator's own limit is reached. @throws Error with the server's message */
    async gql(query, variables, apiKey) {
      for (let waits = 0; ; waits += 1) {
        const { data, errors } = await ask(query, variables, apiKey);
        const [error] = errors ?? [];
        if (!error) return data;
        const { code, resetsAt } = error.extensions ?? {};
        if (code !== 'RATE_LIMITED' || waits >= MAX_WAITS) throw new Error(error.message);
        await sleep(Math.max(250, Date.parse(resetsAt) - Date.now()));
      }
    },
    /** @throws Error unless it is answered with 2xx or a redirect */
    async post(path, body = {}) {
      const { status, answer } = await send(path, body);
      if (status === 404) throw new Error(`The server at ${url} is not in mock mode`);
      if (status >= 400) throw new Error(answer.message ?? answer.error?.message ?? `HTTP ${status}`);
      return answer;
    },
  };
}
