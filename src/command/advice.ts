/**
 * Explains failures, with advice for a shell. Only `error.isTemporary` says whether one may pass by itself.
 * @module
 */
import process from 'node:process';
import { ApiError, OAuthProviderError } from '../index.ts';
import { type Explanation, Stop } from './stop.ts';
import { escapeControls, fromServer, secretsOf, type Variables } from './text.ts';

/** Says what went wrong. The library's own message comes first, then what the platform says. */
export function explain(error: unknown, env: Variables): Explanation {
  if (error instanceof Stop) return { message: error.message, next: error.next };
  const reason = fromServer(reasonOf(error), secretsOf(env)); // a proxy's answer is quoted there
  const said = saidIn(error as Error, reason);
  return { message: escapeControls(said), next: escapeControls(nextStepFor(error, reason, env)) };
}

function saidIn(error: Error, reason: string): string {
  const isAnswered = error instanceof ApiError && error.statusCode !== undefined;
  if (!reason || isAnswered) return withoutAdvice(error.message);
  const isUnanswered = error instanceof ApiError && error.code === 'network';
  // In brackets the library has the reason's code, and what hides the reason.
  return `${isUnanswered ? error.message.replace(/ \(.*/s, '') : withoutAdvice(error.message)}: ${reason}`;
}

/** What the library advises is for a program. The next step says it in the words of a shell. */
function withoutAdvice(message: string): string {
  return message
    .replace(/: it (throttles|is unavailable); try again later/, '')
    .replace(/ \(check [^()]*\)|[:;] check [^():;]*(?=$|;| \()/, '');
}

function nextStepFor(error: unknown, reason: string, env: Variables): string {
  if (error instanceof ApiError) return adviceOnApiError(error, reason, env);
  return reason ? adviceOnNetwork(reason, env) : 'Check the URL.';
}

/** The token goes nowhere else. */
export const ADVICE_ON_ORIGINS: string =
  'Call a URL of this environment, or change it: THINGSPACE_ENVIRONMENT, or ' +
  'THINGSPACE_TOKEN_URL and THINGSPACE_API_ORIGINS.';

function adviceOnApiError(error: ApiError, reason: string, env: Variables): string {
  const { code, statusCode } = error;
  if (code === 'session_refused') return ADVICE_ON_LOGIN;
  if (code === 'session_failed' && /^(404|405|413|415)$/.test(`${statusCode}`)) return ADVICE_ON_SESSION_URL;
  if (statusCode === 407) return ADVICE_ON_407;
  if (error.isTemporary && statusCode) return adviceToWait(error.headers);
  if (error instanceof OAuthProviderError) return adviceOnOAuth(error.error, env);
  if (/^3/.test(String(statusCode))) return ADVICE_ON_REDIRECT;
  if (code === 'timeout') return 'Check the network, or raise THINGSPACE_TIMEOUT (milliseconds).';
  if (code === 'network' || (code === 'session_failed' && reason)) return adviceOnNetwork(reason, env);
  if (code === 'session_failed') return 'Wait, then try again.';
  if (code === 'no_credentials') return 'Set THINGSPACE_CLIENT_SECRET.';
  return (
    'Something other than the token endpoint answered: check its URL (THINGSPACE_ENVIRONMENT, ' +
    'THINGSPACE_TOKEN_URL) and the proxy.'
  );
}

const ADVICE_ON_LOGIN =
  'Check THINGSPACE_USERNAME and THINGSPACE_PASSWORD before you try again: five failed ' +
  'logins in a row lock the account.';

/** No server of sessions says this of a login. */
const ADVICE_ON_SESSION_URL =
  'No M2M session lives there: set THINGSPACE_SESSION_URL, beside THINGSPACE_TOKEN_URL and ' +
  'THINGSPACE_API_ORIGINS.';

const ADVICE_ON_407 =
  'A proxy asks for a user name and password (407): put them in front of the host in the URL of HTTPS_PROXY.';

const ADVICE_ON_REDIRECT =
  'A redirect of the token endpoint is never followed: name the endpoint itself in ' +
  'THINGSPACE_TOKEN_URL, or sign in where it leads.';

/** Whether an API's answer may be another one later, without a change. */
export function isTemporaryStatus(statusCode: number): boolean {
  return new ApiError('', { code: 'gateway_fault', statusCode }).isTemporary;
}

/** For a status that passes by itself. */
export function adviceToWait(headers: Headers | undefined): string {
  const wish = headers?.get('retry-after');
  const wait = wish && /^\d{1,9}$/.test(wish) ? `wait ${wish} s` : 'wait';
  return `The server throttles or is unavailable: ${wait}, then try again.`;
}

function adviceOnOAuth(error: string, env: Variables): string {
  if (error === 'invalid_client') return ADVICE_ON_CLIENT + adviceOnEdgeKeys(env);
  if (error === 'invalid_scope')
    return 'Ask only for scopes that the application was granted: THINGSPACE_SCOPES.';
  return `Ask whoever runs the server what "${error}" means for this key.`;
}

const ADVICE_ON_CLIENT =
  'Check THINGSPACE_CLIENT_ID and THINGSPACE_CLIENT_SECRET, and that they belong to this ' +
  'environment (a staging key is refused in production).';

/** Where the keys of the 5G Edge portal are taken is not certain: its own pages name another token URL. */
function adviceOnEdgeKeys({ THINGSPACE_ENVIRONMENT: name = 'Production', ...env }: Variables): string {
  if (env['THINGSPACE_TOKEN_URL']?.trim() || !/^(Production)?$/.test(name.trim())) return '';
  return (
    ' A key of the 5G Edge portal may want another token URL: set ' +
    'THINGSPACE_TOKEN_URL=https://5gedge.verizon.com/api/ts/v1/oauth2/token ' +
    '"THINGSPACE_API_ORIGINS=https://5gedge.verizon.com https://thingspace.verizon.com" ' +
    'THINGSPACE_SESSION_URL=https://thingspace.verizon.com/api/m2m/v1/session, ' +
    'without THINGSPACE_ENVIRONMENT.'
  );
}

const ADVICE_ON_CLOCK = "Check this machine's clock, then the server's certificate.";
const ADVICE_ON_AUTHORITY =
  "Make the platform trust your company's certificate authority: NODE_EXTRA_CA_CERTS (Node, " +
  'Bun), DENO_CERT (Deno).';

/**
 * What the platforms say, in the order in which it is looked for. `fetch` hides a 407 behind its bare "fetch
 * failed" (fetch standard, HTTP-network-or-cache fetch).
 */
const ADVICE_BY_REASON: readonly (readonly [reason: RegExp, advice: string])[] = [
  [/\(407\)|proxy authentication|^fetch failed$/i, ADVICE_ON_407],
  [
    /\bbad port\b/i,
    'fetch never asks this port, which belongs to another protocol: check the port in the URL.',
  ],
  [/ERR_ACCESS_DENIED|NotCapable|--allow-net/, 'Allow the runtime to use the network: --allow-net.'],
  [
    /wrong.version.number|packet length too long|InvalidContentType|bad record type|speak TLS/i,
    'This port does not speak TLS: use the port for https. Plain http:// is allowed for this machine only.',
  ],
  [/not yet valid|has expired|CERT_HAS_EXPIRED/i, ADVICE_ON_CLOCK],
  [
    /altnames|ALTNAME|NotValidForName/,
    'The certificate belongs to another host: check the host in the URL, and whether a proxy answers for it.',
  ],
  [/certificate|SELF_SIGNED|UNABLE_TO_|UnknownIssuer/i, ADVICE_ON_AUTHORITY],
  [
    /ECONNRESET|ECONNABORTED|EPIPE|UND_ERR_SOCKET|other side closed|hang up|connection (closed|reset)/i,
    'Something closed the connection: try again. If that does not help, look for a firewall or ' +
      'proxy that blocks this host.',
  ],
];

function adviceOnNetwork(reason: string, env: Variables): string {
  const [, known] = ADVICE_BY_REASON.find(([pattern]) => pattern.test(reason)) ?? [];
  if (known) return known;
  const what = /ECONNREFUSED|connection refused/i.test(reason)
    ? 'Nothing listens there: check host and port.'
    : 'Check host, DNS and firewall.';
  return `${what} ${adviceOnProxy(env)}`;
}

function adviceOnProxy(env: Variables): string {
  const names = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'];
  const proxy = names.find((name) => env[name]);
  // Bun and Deno use what is set.
  const isNode = !process.versions['bun'] && !process.versions['deno'];
  const wish = 'NODE_USE_ENV_PROXY=1, from 22.21 and 24.5 on';
  if (!proxy) return `Behind a proxy, set HTTPS_PROXY${isNode ? `; Node also wants ${wish}` : ''}.`;
  if (!isNode || env['NODE_USE_ENV_PROXY']) return `${proxy} is set.`;
  return `${proxy} is set, but Node uses it only with ${wish}.`;
}

/** The innermost error behind one: platforms wrap what happened in a "fetch failed". */
export function reasonOf(error: unknown): string {
  const { cause, errors } = Object(error) as { cause?: unknown; errors?: readonly unknown[] };
  const inner = cause ?? errors?.[0]; // one for each address that was tried
  return inner instanceof Error ? reasonOf(inner) || inWords(inner) : '';
}

function inWords({ message, code }: NodeJS.ErrnoException): string {
  const text = theReasonIn(message);
  return code && !text.includes(code) ? `${text} (${code})` : text;
}

/**
 * Of OpenSSL's text only the reason: it also has numbers, functions, a source file and a line break. Of
 * Deno's text all but the URL, which stands before it.
 */
function theReasonIn(text: string): string {
  const [, reason] = /error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/.exec(text) ?? [];
  return reason ?? text.replace(/^error sending request for url \(\S+\): /, '');
}
