/**
 * The mock's token endpoint (RFC 6749 section 4.4) and revocation endpoint (RFC 7009).
 * @module
 */
import { gatewayAnswer, json, missingCredentials, oauthError } from './answers.ts';
import type { MockServerOptions, Received } from './options.ts';
import { type GrantedToken, invent, isKnown, type MockState, nowMs } from './state.ts';

/** First it looks at who is asking, then at what is asked for. */
export function answerOAuth(state: MockState, request: Received): Response {
  if (request.method !== 'POST') return gatewayAnswer(400);
  const form = new URLSearchParams(request.body);
  const client = identify(state.options, request, form);
  if (client instanceof Response) return client;
  if (!request.headers['content-type']?.startsWith('application/x-www-form-urlencoded'))
    return oauthError(400, 'invalid_request', 'The body is not a form.');
  if (request.path.endsWith('/revoke')) return revokeToken(state, client, form);
  return grantToken(state, client, form, request.headers['dpop'] === undefined ? 'Bearer' : 'DPoP');
}

/** The id of the client, or the answer that refuses it. */
function identify(
  { clients, identifyClient }: MockServerOptions,
  request: Received,
  form: URLSearchParams,
): string | Response {
  const { authorization } = request.headers;
  const refuse = () => oauthError(401, 'invalid_client', 'Client authentication failed.');
  if (identifyClient) return identifyClient(request) ?? refuse();
  if (form.has('client_assertion')) return assertedClient(form, clients) ?? refuse();
  if (!authorization) return missingCredentials();
  return basicClient(authorization, clients) ?? refuse();
}

/** The client that an assertion comes with. What the assertion itself says is not read. */
function assertedClient(form: URLSearchParams, clients: MockServerOptions['clients']): string | undefined {
  const id = form.get('client_id') ?? undefined;
  return id && clients && !Object.hasOwn(clients, id) ? undefined : id;
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
  type: GrantedToken['type'],
): Response {
  const { scopes, tokenResponse } = state.options;
  const grantType = form.get('grant_type');
  if (!grantType) return oauthError(400, 'invalid_request', 'grant_type is missing.');
  if (grantType !== 'client_credentials') return oauthError(400, 'unsupported_grant_type', 'Not supported.');
  const scope = form.get('scope') ?? scopes?.join(' ');
  const asked = scope?.split(' ') ?? [];
  if (scopes && !asked.every((each) => scopes.includes(each)))
    return oauthError(400, 'invalid_scope', 'Not granted.');
  const token = currentToken(state, clientId, asked.sort(), type);
  const body = { ...token, token_type: type, scope };
  return asResponse(tokenResponse ? tokenResponse(body) : body);
}

function currentToken(
  state: MockState,
  clientId: string,
  scopes: readonly string[],
  type: GrantedToken['type'],
): { access_token: string; expires_in: number } {
  const { tokens, options } = state;
  const { expiresIn = 3600, sameToken = true, countsDown = true } = options;
  const grant = JSON.stringify([clientId, type, ...scopes]);
  const now = nowMs(state);
  const held = sameToken && [...tokens].find(([, each]) => each.grant === grant && each.endsMs > now);
  if (held) {
    const [access_token, { endsMs }] = held;
    return { access_token, expires_in: countsDown ? Math.floor((endsMs - now) / 1000) : expiresIn };
  }
  const access_token = invent(state, 'access-token', ++state.tokenCount);
  tokens.set(access_token, { grant, clientId, type, endsMs: now + expiresIn * 1000 });
  return { access_token, expires_in: expiresIn };
}

function asResponse(answer: unknown): Response {
  if (answer instanceof Response) return answer;
  if (typeof answer === 'string') return new Response(answer);
  return json(200, answer, { 'cache-control': 'no-store' });
}
