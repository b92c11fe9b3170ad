/**
 * Gets an M2M session as a call would: for a call that is answered here and sent nowhere.
 * @module
 */
import { createClient, type KnownScopesConfig, type OAuthToken } from '../index.ts';
import type { Session } from '../session.ts';

/** Where a call gets its session. */
export interface SessionCall {
  readonly config: KnownScopesConfig;
  readonly token: OAuthToken;
  readonly session: Session;
  /** That of the token endpoint. */
  readonly origin: string;
  readonly fetch: typeof fetch;
  /** Whether one more login is to be allowed after a refusal. */
  readonly isReset?: boolean;
}

/** Logs in where no session is held, at most once. Rejects as such a call would. */
export async function obtainSessionToken({
  config,
  token,
  session,
  origin,
  fetch,
  isReset,
}: SessionCall): Promise<string | undefined> {
  const callUrl = `${origin}/`;
  const client = createClient({
    ...config,
    environment: withOrigin(config.environment, origin),
    vZM2mToken: session,
    fetch: loginOnce(fetch, callUrl),
  });
  if (isReset) await session.reset();
  await client.withToken(token).authorizedFetch(callUrl);
  return session.current();
}

/** The token endpoint's origin need not be one of the API. */
function withOrigin(environment: KnownScopesConfig['environment'], origin: string) {
  if (typeof environment !== 'object') return environment;
  return { ...environment, apiOrigins: [...environment.apiOrigins, origin] };
}

/** Answers the call itself; gives a second login the answer of the first, which may have counted. */
function loginOnce(send: typeof fetch, callUrl: string): typeof fetch {
  let login: Promise<Response> | undefined;
  return async (input, init) => {
    const { url } = new Request(input);
    if (url === callUrl) return new Response();
    if (!url.endsWith('/login')) return send(input, init);
    login ??= send(input, init);
    return (await login).clone();
  };
}
