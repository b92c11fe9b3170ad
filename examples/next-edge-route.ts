// Next.js: app/api/regions/route.ts on the Edge runtime. The secret is a server-side variable (no
// NEXT_PUBLIC_ in its name).
import { configFromEnvironment, createClient } from 'thingspace-auth';

export const runtime = 'edge';

const { authorizedFetch } = createClient(configFromEnvironment());

export async function GET(request: Request): Promise<Response> {
  const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions', {
    signal: request.signal,
  });
  return Response.json(await response.json(), { status: response.status });
}
