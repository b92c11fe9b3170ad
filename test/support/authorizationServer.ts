/**
 * What an authorization server does that the mock leaves to real ones, set before a mock: it verifies an
 * assertion, asks for nonces in proofs, and says where its endpoints are.
 */
import type { MockServer } from 'thingspace-auth/testing';
import { readSigned } from './keys.ts';
import type { Answerer } from './standIn.ts';

export interface AuthorizationServer extends Answerer {
  /** Path and status of each answer. */
  readonly seen: string[];
}

/** Knows its clients by one public key (PEM). */
export function knowingKey(mock: MockServer, publicPem: string): AuthorizationServer {
  return standBefore(mock, async (request) => {
    const assertion = new URLSearchParams(await request.text()).get('client_assertion');
    if (!assertion || isSignedWith(assertion, publicPem)) return undefined;
    return Response.json({ error: 'invalid_client' }, { status: 401 });
  });
}

function isSignedWith(assertion: string, publicPem: string): boolean {
  try {
    readSigned(assertion, publicPem);
    return true;
  } catch {
    return false;
  }
}

/** Wants a nonce of its own in the proofs for each path (RFC 9449 sections 8 and 9). */
export function askingForNonces(mock: MockServer): AuthorizationServer {
  return standBefore(mock, async ({ url, headers }) => {
    const nonce = `nonce-of-${new URL(url).pathname}`;
    const proof = headers.get('dpop') ?? '';
    const jwk = JSON.parse(Buffer.from(proof.split('.')[0] ?? '', 'base64url').toString()).jwk;
    if (readSigned(proof, jwk).claims.nonce === nonce) return undefined;
    const isToken = url.endsWith('/token');
    return Response.json(
      { error: 'use_dpop_nonce' },
      {
        status: isToken ? 400 : 401,
        headers: { 'dpop-nonce': nonce, 'www-authenticate': 'DPoP error="use_dpop_nonce"' },
      },
    );
  });
}

/** Says where its endpoints are (RFC 8414 section 3). */
export function withMetadata(mock: MockServer): AuthorizationServer {
  return standBefore(mock, async ({ url }) => {
    const { origin, pathname } = new URL(url);
    const [, path] = /^\/\.well-known\/oauth-authorization-server(\/.+)?$/.exec(pathname) ?? [];
    if (!pathname.startsWith('/.well-known/oauth-')) return undefined;
    const issuer = origin + (path ?? '');
    return Response.json({
      issuer,
      token_endpoint: `${issuer}/oauth2/token`,
      revocation_endpoint: `${issuer}/oauth2/revoke`,
    });
  });
}

/** `judge` answers, or leaves it to the mock. */
function standBefore(
  mock: MockServer,
  judge: (request: Request) => Promise<Response | undefined>,
): AuthorizationServer {
  const seen: string[] = [];
  const fetch = async (input: any, init?: any) => {
    const request = new Request(input, init);
    const answer = (await judge(request.clone())) ?? (await mock.fetch(request));
    seen.push(`${new URL(request.url).pathname} ${answer.status}`);
    return answer;
  };
  return { fetch, seen };
}
