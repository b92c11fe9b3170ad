// AWS Lambda (Node 20 or later) behind a function URL: a warm instance keeps its token, a cold one asks for
// one.
import { configFromEnvironment, createClient } from 'thingspace-auth';

// Outside the handler, so that it lives as long as the instance. Its limit is below that of the function.
const { authorizedFetch } = createClient({ ...configFromEnvironment(), timeout: 2_500 });

interface Answer {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

export async function handler(): Promise<Answer> {
  const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
  return {
    statusCode: response.status,
    headers: { 'content-type': 'application/json' },
    body: await response.text(),
  };
}
