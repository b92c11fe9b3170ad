/**
 * The mock's token endpoint (RFC 6749 section 4.4) and revocation endpoint (RFC 7009).
 * @module
 */
import { gatewayAnswer, json, missingCredentials, oauthError } from './answers.ts';
import { type Assertion, assertionFault } from './assertions.ts';
import type { MockServerOptions, Received } from './options.ts';
import { type Proof, proofFault } from './proofs.ts';
import { invent, isKnown, type MockState, nonceFor, nowMs } from './state.ts';

/** The parts of a request that take time to verify. */
export interface Evidence {
  readonly assertion: Assertion | undefined;
  readonly proof: Proof | undefined;
}

/** First it looks at who is asking, then at the key, then at what is asked for. */
export function answerOAuth(state: MockState, request: Received, { assertion, proof }: Evidence): Response {
  if (request.method !== 'POST') return gatewayAnswer(400);
  const form = new URLSearchParams(request.body);
  const client = identify(state, request, form, assertion);
  if (client instanceof Response) return client;
  if (!request.headers['content-type']?.startsWith('application/x-www-form-urlencoded'))
    return oauthError(400, 'invalid_request', 'The body is not a form.');
  if (request.path.endsWith('/revoke')) return revokeToken(state, client, form);
  const target = { ...request, hasToken: false, nonce: nonceFor(state, request) };
  const unproven = state.options.dpop && proofFault(proof, target, state.seenIds);
  if (unproven) return oauthError(400, ...unproven);
  return grantToken(state, client, form, proof?.thumbprint);
}

/** The id of the client, or the answer that refuses it. An assertion is used up, whatever the answer. */
function identify(
  state: MockState,
  request: Received,
  form: URLSearchParams,
  assertion: Assertion | undefined,
): string | Response {
  const { clients, identifyClient } = state.options;
  const { authorization } = request.headers;
  const refuse = (text: string) => oauthError(401, 'invalid_client', text);
  if (identifyClient) return identifyClient(request) ?? refuse(UNKNOWN_CLIENT);
  if (assertion) {
    const fault = assertionFault(assertion, form, audiencesOf(request), nowMs(state), state.seenIds);
    return fault ? refuse(fault) : assertion.jws?.claims.sub;
  }
  if (!authorization) return missingCredentials();
  return basicClient(authorization, clients) ?? refuse(UNKNOWN_CLIENT);
}

const UNKNOWN_CLIENT = 'Client authentication failed.';

/** Whom an assertion may be for: the token endpoint, the endpoint asked, the issuer. */
function audiencesOf({ url }: Received): string[] {
  const [asked = ''] = url.split('?');
  const issuer = asked.replace(/\/oauth2\/\w+$/, '');
  return [...new Set([`${issuer}/oauth2/token`, asked, issuer])];
}

/**
 * The id of a Basic header, if id and secret are those of a known client. Both are form-encoded (RFC 6749
 * section 2.3.1).
 */
function basicClient(header: string, clients: MockServerOptions['clients']): string | undefined {
  try {
    const [, base64 = ''] = /^Basic (.+)$/.exec(header) ?? [];
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const [, id = '', secret = ''] = /^([^:]+):(.*)$/s.exec(new TextDecoder().decode(bytes)) ?? [];
    return id && isKnown(clients, formDecode(id), formDecode(secret)) ? formDecode(id) : undefined;
  } catch {
    return undefined; // not base64, or not form-encoded
  }
}

function formDecode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

/**
 * The answer is the same for a token that is unknown or another client's (RFC 7009 section 2.2).
 * Such a token stays as it is.
 */
function revokeToken({ tokens }: MockState, clientId: string, form: URLSearchParams): Response {
  const token = form.get('token');
  if (!token) return oauthError(400, 'invalid_request', 'token is missing.');
  if (tokens.get(token)?.clientId === clientId) tokens.delete(token);
  return new Response(null);
}

function grantToken(
  state: MockState,
  clientId: string,
  form: URLSearchParams,
  thumbprint: string | undefined,
): Response {
  const { scopes, tokenResponse } = state.options;
  const grantType = form.get('grant_type');
  if (!grantType) return oauthError(400, 'invalid_request', 'grant_type is missing.');
  if (grantType !== 'client_credentials') return oauthError(400, 'unsupported_grant_type', 'Not supported.');
  const scope = form.get('scope') ?? scopes?.join(' ');
  const asked = scope?.split(' ') ?? [];
  if (scopes && !asked.every((each) => scopes.includes(each)))
    return oauthError(400, 'invalid_scope', 'Not granted.');
  const token = currentToken(state, clientId, asked.sort(), thumbprint);
  const body = { ...token, token_type: thumbprint ? 'DPoP' : 'Bearer', scope };
  return asResponse(tokenResponse ? tokenResponse(body) : body);
}

function currentToken(
  state: MockState,
  clientId: string,
  scopes: readonly string[],
  thumbprint: string | undefined,
): { access_token: string; expires_in: number } {
  const { tokens, options } = state;
  const { expiresIn = 3600, sameToken = true, countsDown = true } = options;
  const grant = JSON.stringify([clientId, thumbprint, ...scopes]);
  const now = nowMs(state);
  const held = sameToken && [...tokens].find(([, each]) => each.grant === grant && each.endsMs > now);
  if (held) {
    const [access_token, { endsMs }] = held;
    return { access_token, expires_in: countsDown ? Math.floor((endsMs - now) / 1000) : expiresIn };
  }
  const access_token = invent(state, 'access-token', ++state.tokenCount);
  tokens.set(access_token, { grant, clientId, thumbprint, endsMs: now + expiresIn * 1000 });
  return { access_token, expires_in: expiresIn };
}

function asResponse(answer: unknown): Response {
  if (answer instanceof Response) return answer;
  if (typeof answer === 'string') return new Response(answer);
  return json(200, answer, { 'cache-control': 'no-store' });
}
