/**
 * The findings of `check` as steps: fields for programs, a message for people.
 * @module
 */
import { ApiError, type OAuthToken } from '../index.ts';
import { adviceToWait, explain, isTemporaryStatus, reasonOf } from './advice.ts';
import { noticesOfMock } from './mockNotice.ts';
import type { Step } from './output.ts';
import { fromServer, originAndPath, type Variables } from './text.ts';
import type { Trace } from './trace.ts';

/** The data that all steps share. */
export interface Inspection {
  readonly env: Variables;
  readonly fileWarnings: readonly string[];
  /** Secrets to mask in a server's words. */
  readonly secrets: readonly string[];
  readonly trace: Trace;
  readonly show: (step: Step) => void;
}

/**
 * Beyond this a clock breaks what other programs promise: certificates, signatures, tokens in a shared store.
 */
const MOST_CLOCK_OFFSET_SECONDS = 60;

/** `error`: what kept the endpoint from answering as one. */
export function endpointStep({ trace, secrets, env }: Inspection, error: unknown): Step {
  const { url, response, durationMs } = trace;
  const headers = headersOf(response, secrets);
  const endpoint = originAndPath(url); // a token request has been made: nothing before it can fail
  const explanation = error === undefined ? undefined : explainRequest(error, endpoint, env);
  const time = `${durationMs} ms`;
  const what = explanation?.message ?? `${endpoint} answered ${response?.status} in ${time}`;
  // The library's message says some of it.
  const details = Object.entries(headers)
    .map(inWordsOf)
    .filter((detail) => !what.includes(detail.replace('redirects to:', 'to')));
  if (explanation && response) details.unshift(time);
  return {
    name: 'endpoint',
    ok: error === undefined,
    message: details.length ? `${what} (${details.join('; ')})` : what,
    next: explanation?.next,
    url: endpoint,
    status: response?.status,
    durationMs,
    ...headers,
  };
}

/** What the headers tell of the way to the server, and of what it asks for. */
function headersOf(response: Response | undefined, secrets: readonly string[]): Record<string, string> {
  const read = (name: string) => {
    const value = response?.headers.get(name);
    return value ? fromServer(value, secrets) : undefined;
  };
  const location = response?.headers.get('location');
  const target =
    location && URL.canParse(location, response?.url) ? new URL(location, response?.url).origin : undefined;
  const all = {
    server: read('server'),
    via: read('via'),
    redirectsTo: target && fromServer(target, secrets),
    retryAfter: read('retry-after'),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value)) as Record<string, string>;
}

const WORDS: Readonly<Record<string, string>> = {
  server: 'server',
  via: 'through a proxy',
  redirectsTo: 'redirects to',
  retryAfter: 'Retry-After',
};

function inWordsOf([name, value]: [string, string]): string {
  return `${WORDS[name]}: ${value}`;
}

/** The server's clock against ours at the middle of the request; `Date` has whole seconds. */
export function clockStep({ trace: { response, startedAtMs, durationMs } }: Inspection): Step | undefined {
  const serverMs = Date.parse(response?.headers.get('date') ?? '');
  if (Number.isNaN(serverMs)) return undefined;
  const offsetSeconds = Math.round((startedAtMs + durationMs / 2 - serverMs - 500) / 1000);
  const ok = Math.abs(offsetSeconds) <= MOST_CLOCK_OFFSET_SECONDS;
  const off = `is ${Math.abs(offsetSeconds)} s ${offsetSeconds < 0 ? 'behind' : 'ahead of'}`;
  const where = `${offsetSeconds ? off : 'is within a second of'} the server's`;
  const next =
    "Set this machine's clock (NTP). Tokens work without it, but certificates, signed " +
    'assertions and shared stores do not.';
  return {
    name: 'clock',
    ok,
    message: `this machine's clock ${where}`,
    next: ok ? undefined : next,
    offsetSeconds,
  };
}

export function tokenStep({ secrets }: Inspection, token: OAuthToken, asked: readonly string[]): Step {
  const { expiresIn, scope } = token;
  const granted = scope?.split(' ').map((each) => fromServer(each, secrets));
  const missing = asked.filter((each) => granted && !granted.includes(each));
  const life = expiresIn === undefined ? 'without a known end' : `for ${expiresIn} s`;
  const got = granted?.join(' ') ?? 'not said';
  const scopes = `scopes granted: ${got}; asked for: ${asked.join(' ') || 'none'}`;
  const warnings = noticesOfMock(token.accessToken);
  const next = `Have the application granted ${missing.join(' and ')}, or leave it out of THINGSPACE_SCOPES.`;
  return {
    name: 'token',
    ok: !missing.length,
    message: `granted ${life}; ${scopes}`,
    ...(warnings.length && { warnings }),
    next: missing.length ? next : undefined,
    expiresIn,
    granted,
    asked,
  };
}

/** A login that brought no session. The library's own message is for a program, which has `reset()`. */
export function loginFailure({ trace, env }: Inspection, error: unknown): Step {
  const { message, next } = explain(error, env);
  const isRefused = error instanceof ApiError && error.code === 'session_refused';
  const { url, response } = trace;
  const refused = `${originAndPath(url)} refused the user name and password (${response?.status})`;
  return { name: 'login', ok: false, message: isRefused ? refused : message, next };
}

/** An API's answer. Nothing of it is shown but its status. */
export function callStep(
  { trace: { durationMs } }: Inspection,
  url: string,
  method: string,
  { ok, status, headers }: Response,
): Step {
  const where = originAndPath(url);
  const message = `${method} ${where} answered ${status} in ${durationMs} ms`;
  const next = ok ? undefined : adviceOnStatus(status, headers);
  return { name: 'call', ok, message, next, url: where, status, durationMs };
}

export function callFailure({ env }: Inspection, url: string, error: unknown): Step {
  const where = originAndPath(url);
  return { name: 'call', ok: false, ...explainRequest(error, where, env), url: where };
}

function adviceOnStatus(status: number, headers: Headers): string {
  if (isTemporaryStatus(status)) return adviceToWait(headers);
  if (status === 401)
    return (
      'The API refuses a token that the server has just granted: check that both belong to the ' +
      'same environment.'
    );
  if (status === 403)
    return (
      'The API accepts the token, but that is not enough: ' + 'check the scopes, and what the account may do.'
    );
  if (status === 404) return 'Check the path of the URL.';
  return 'Check the URL. An M2M API also wants a session: --login, or THINGSPACE_M2M_TOKEN.';
}

/** A request without an answer is told by its URL and by what the platform says, and by nothing else. */
function explainRequest(error: unknown, url: string, env: Variables) {
  const { message, next } = explain(error, env);
  const reason = reasonOf(error);
  const isNetwork = error instanceof ApiError ? error.code === 'network' : reason !== '';
  return {
    message: isNetwork && reason ? fromServer(`No answer from ${url}: ${reason}`, []) : message,
    next,
  };
}
