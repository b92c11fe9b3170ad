#!/usr/bin/env node
/**
 * The command `thingspace-auth`: prints a token, or says step by step what works. For people and their
 * scripts: no entry imports it. Everything that it prints passes {@link clean}, so that no secret but the
 * token that `token` is for appears.
 * @module
 */
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import * as util from 'node:util';
import {
  ApiError,
  type Client,
  configFromEnvironment,
  createClient,
  OAuthProviderError,
  type OAuthToken,
  type VariablesConfig,
} from './index.ts';
import { createSession, type Session } from './session.ts';

const USAGE = `Usage:
  thingspace-auth token [--env FILE]
      Prints an access token and nothing else:
      curl -H "Authorization: Bearer $(npx thingspace-auth token)" https://5gedge.verizon.com/api/mec/eds/regions
  thingspace-auth check [URL] [--login] [--env FILE] [--json]
      Says what works, step by step: the variables, the token endpoint, this machine's clock, the token, and, where a URL
      is given, one authorized GET.
      --login  Also logs in to the M2M session, once, with THINGSPACE_USERNAME and THINGSPACE_PASSWORD.
               A failed login counts: five in a row lock the account.
      --json   Prints one object: { ok, steps: [{ name, ok, … }], error? }.

  --env FILE   Reads variables from a file; those that are set already win.

Variables: THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_SCOPES (separated by spaces), THINGSPACE_M2M_TOKEN,
THINGSPACE_TIMEOUT (milliseconds), and THINGSPACE_ENVIRONMENT (Production, Staging, …) or, for another server,
THINGSPACE_TOKEN_URL and THINGSPACE_API_ORIGINS (separated by spaces).

Exit status: 0, or 1 with what to do next.
`;

/**
 * Beyond this a clock breaks what other programs promise: certificates, signatures, tokens in a shared store.
 */
const MOST_CLOCK_OFFSET_SECONDS = 60;

/** One thing that was looked at: `message` says what was found, `next` what to do where it is not good. */
interface Step {
  readonly name: 'variables' | 'endpoint' | 'clock' | 'token' | 'notice' | 'login' | 'call';
  readonly ok: boolean;
  readonly message: string;
  readonly next?: string;
  readonly [field: string]: unknown;
}

/** What the last request met: set at once, so that a failure can be told from an answer. */
interface Trace {
  url: string;
  response?: Response | undefined;
  startedAtMs: number;
  durationMs: number;
}

type Env = Readonly<Record<string, string | undefined>>;
type Show = (step: Step) => void;

/** What the command line asked for. */
interface Order {
  readonly command: 'token' | 'check';
  readonly url: string | undefined;
  readonly env: Env;
  readonly isLogin: boolean;
  readonly isJson: boolean;
}

/** A mistake in the command line, or a step that failed. */
class Stop extends Error {
  override readonly name = 'Stop';
  readonly next: string;

  constructor(message: string, next: string) {
    super(message);
    this.next = next;
  }
}

void main(process.argv.slice(2)).then((status) => (process.exitCode = status));

async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) return print(USAGE);
  const isJson = args.includes('--json');
  let { env }: { env: Env } = process;
  try {
    const order = readOrder(args);
    ({ env } = order);
    return order.command === 'token' ? await printToken(env) : await runCheck(order);
  } catch (error) {
    const { message, next } = explain(error, env);
    if (isJson) print(jsonOf([], { message, next }, env));
    else process.stderr.write(clean(`${message}\n${next}\n`, env));
    return 1;
  }
}

function print(text: string): 0 {
  process.stdout.write(text);
  return 0;
}

// The command line

function readOrder(args: string[]): Order {
  const { values, positionals } = parse(args);
  const [command, url, ...more] = positionals;
  if (more.length || (command !== 'check' && command !== 'token'))
    throw new Stop('Say token or check.', USAGE);
  if (command === 'token' && (url || values.json || values.login))
    throw new Stop('token takes --env only.', USAGE);
  if (url && !URL.canParse(url)) throw new Stop('The URL must be a whole one: https://…', USAGE);
  const env = values.env === undefined ? process.env : { ...readEnvFile(values.env), ...process.env };
  return { command, url, env, isLogin: !!values.login, isJson: !!values.json };
}

function parse(args: string[]) {
  const boolean = { type: 'boolean' } as const;
  const options = { env: { type: 'string' }, json: boolean, login: boolean } as const;
  try {
    return util.parseArgs({ args, options, allowPositionals: true });
  } catch {
    // Its message quotes what stands on the command line, and that may be a secret.
    throw new Stop('There is an option that is not known, or one without its value.', USAGE);
  }
}

function readEnvFile(path: string): Env {
  if (!util.parseEnv)
    throw new Stop(
      'This version of Node cannot read --env.',
      'Use Node 20.12 or later, or set the variables.',
    );
  try {
    return util.parseEnv(readFileSync(path, 'utf8')) as Env;
  } catch (error) {
    throw new Stop(
      `The file of --env cannot be read (${(error as NodeJS.ErrnoException).code}).`,
      'Give the path of a file with lines NAME=value.',
    );
  }
}

// token

async function printToken(env: Env): Promise<0> {
  const { accessToken } = await createClient(readConfig(env)).fetchToken();
  return print(`${accessToken}\n`);
}

function readConfig(env: Env): VariablesConfig {
  try {
    const config = configFromEnvironment(env);
    createClient(config); // its rules
    return config;
  } catch (error) {
    throw new Stop(
      (error as Error).message,
      'Set the variable, or correct it. npx thingspace-auth --help lists all.',
    );
  }
}

// check

async function runCheck(order: Order): Promise<number> {
  const steps: Step[] = [];
  await check(order, (step) => {
    steps.push(step);
    if (!order.isJson) print(lineOf(step, order.env));
  });
  const failed = steps.find(({ ok }) => !ok);
  if (order.isJson) print(jsonOf(steps, failed, order.env));
  return failed ? 1 : 0;
}

/** What the steps share. */
interface Inspection {
  readonly env: Env;
  readonly trace: Trace;
  readonly show: Show;
}

/** Shows a step after the other until one makes the next ones pointless. */
async function check({ env, url, isLogin }: Order, show: Show): Promise<void> {
  const config = checkVariables(env, isLogin, show);
  if (!config) return;
  const trace: Trace = { url: '', startedAtMs: 0, durationMs: 0 };
  const inspection: Inspection = { env, trace, show };
  const token = await checkToken(config, inspection);
  if (!token) return;
  const session = isLogin ? await checkLogin(config, token, inspection) : undefined;
  if (isLogin && !session) return;
  const caller = createClient({
    ...config,
    fetch: tracedBy(trace),
    vZM2mToken: session ?? config.vZM2mToken,
  });
  if (url) await checkCall(caller.withToken(token), url, inspection);
}

function checkVariables(env: Env, isLogin: boolean, show: Show): VariablesConfig | undefined {
  const set = Object.keys(env)
    .filter((name) => /^THINGSPACE_/.test(name) && env[name]?.trim())
    .sort();
  const found = `set: ${set.join(', ') || 'none'}`;
  try {
    const config = readConfig(env);
    const wanted = [
      'THINGSPACE_CLIENT_SECRET',
      ...(isLogin ? ['THINGSPACE_USERNAME', 'THINGSPACE_PASSWORD'] : []),
    ];
    const missing = wanted.filter((name) => !set.includes(name));
    if (missing.length)
      throw new Stop(
        `${missing.join(' and ')} must be set`,
        'Set it in the environment, or in a file for --env.',
      );
    show({ name: 'variables', ok: true, message: found, set });
    return config;
  } catch (error) {
    const { message, next } = explain(error);
    show({ name: 'variables', ok: false, message: `${message}; ${found}`, next, set });
    return undefined;
  }
}

/** One exchange tells of the endpoint, of the clock and of the token. */
async function checkToken(
  config: VariablesConfig,
  { env, trace, show }: Inspection,
): Promise<OAuthToken | undefined> {
  const { fetchToken } = createClient({ ...config, retry: { attempts: 1 }, fetch: tracedBy(trace) });
  const outcome = await fetchToken().catch((error: unknown) => error);
  const isAnswered = !(outcome instanceof Error) || outcome instanceof OAuthProviderError;
  show(endpointStep(trace, isAnswered ? undefined : outcome, env));
  const clock = clockStep(trace);
  if (clock) show(clock);
  if (!isAnswered) return undefined;
  if (outcome instanceof Error) {
    show({ name: 'token', ok: false, ...explain(outcome) });
    return undefined;
  }
  show(tokenStep(outcome as OAuthToken, config.clientCredentialsAuthCredentials.oauthScopes ?? []));
  return outcome as OAuthToken;
}

function endpointStep({ url, response, durationMs }: Trace, error: unknown, env: Env): Step {
  const { message: reason, next } = error === undefined ? {} : explain(error, env);
  const endpoint = withoutQuery(url); // a token request has been made: nothing before it can fail
  const status = response?.status;
  const [via, server] = ['via', 'server'].map((name) => response?.headers.get(name) ?? undefined);
  const answer = response ? `${endpoint} answered ${status} in ${durationMs} ms` : '';
  const passed = [server && `server: ${server}`, via && `through a proxy: ${via}`];
  const message = [answer, reason, ...passed].filter(Boolean).join('; ');
  return {
    name: 'endpoint',
    ok: error === undefined,
    message,
    ...(next && { next }),
    url: endpoint,
    status,
    durationMs,
    server,
    via,
  };
}

/** The server's clock against ours at the middle of the request; `Date` has whole seconds. */
function clockStep({ response, startedAtMs, durationMs }: Trace): Step | undefined {
  const serverMs = Date.parse(response?.headers.get('date') ?? '');
  if (Number.isNaN(serverMs)) return undefined;
  const offsetSeconds = Math.round((startedAtMs + durationMs / 2 - serverMs - 500) / 1000);
  const ok = Math.abs(offsetSeconds) <= MOST_CLOCK_OFFSET_SECONDS;
  const where = `${Math.abs(offsetSeconds)} s ${offsetSeconds < 0 ? 'behind' : 'ahead of'} the server's`;
  const next =
    "Set this machine's clock (NTP). Tokens are used all the same, but certificates, signed assertions and shared stores are not.";
  return {
    name: 'clock',
    ok,
    message: `this machine's clock is ${where}`,
    ...(!ok && { next }),
    offsetSeconds,
  };
}

function tokenStep({ expiresIn, scope }: OAuthToken, asked: readonly string[]): Step {
  const granted = scope?.split(' ');
  const missing = asked.filter((each) => granted && !granted.includes(each));
  const life = expiresIn === undefined ? 'without a known end' : `for ${expiresIn} s`;
  const scopes = `scopes granted: ${granted?.join(' ') ?? 'not said'}; asked for: ${asked.join(' ') || 'none'}`;
  const next = `Have the application granted ${missing.join(' and ')}, or leave it out of THINGSPACE_SCOPES.`;
  return {
    name: 'token',
    ok: !missing.length,
    message: `granted ${life}; ${scopes}`,
    ...(missing.length && { next }),
    expiresIn,
    granted,
    asked,
  };
}

/** Logs in as a call would, for a call that is answered here and sent nowhere. */
async function checkLogin(
  config: VariablesConfig,
  token: OAuthToken,
  { env, trace, show }: Inspection,
): Promise<Session | undefined> {
  show({
    name: 'notice',
    ok: true,
    message: 'one M2M login follows; a failed one counts, and five in a row lock the account',
  });
  const { THINGSPACE_USERNAME: username = '', THINGSPACE_PASSWORD: password = '' } = env;
  const session = createSession({ username, password });
  const { environment } = config;
  const { origin } = new URL(trace.url);
  const send = tracedBy(trace);
  const client = createClient({
    ...config,
    environment:
      typeof environment === 'object'
        ? { ...environment, apiOrigins: [...environment.apiOrigins, origin] }
        : environment,
    vZM2mToken: session,
    fetch: (input, init) =>
      new Request(input).url === `${origin}/` ? Promise.resolve(new Response()) : send(input, init),
  });
  try {
    await client.withToken(token).authorizedFetch(`${origin}/`);
    show({
      name: 'login',
      ok: true,
      message: `the M2M login brought a session in ${trace.durationMs} ms`,
      durationMs: trace.durationMs,
    });
    return session;
  } catch (error) {
    show({ name: 'login', ok: false, ...explain(error, env) });
    return undefined;
  }
}

async function checkCall(
  { authorizedFetch }: Client,
  url: string,
  { env, trace, show }: Inspection,
): Promise<void> {
  const where = `GET ${withoutQuery(url)}`;
  try {
    const { ok, status, body } = await authorizedFetch(url);
    await body?.cancel();
    const message = `${where} answered ${status} in ${trace.durationMs} ms`;
    show({
      name: 'call',
      ok,
      message,
      ...(!ok && { next: adviceForCall(status) }),
      url: withoutQuery(url),
      status,
      durationMs: trace.durationMs,
    });
  } catch (error) {
    show({ name: 'call', ok: false, ...explain(error, env), url: withoutQuery(url) });
  }
}

function adviceForCall(status: number): string {
  if (status === 401)
    return 'The API refuses a token that the server has just granted: check that both belong to one environment.';
  if (status === 403)
    return 'The token was taken, and does not suffice: check the scopes, and what the account may do.';
  if (status === 429 || status >= 500) return 'The API throttles or is unavailable: wait, then try again.';
  return 'Check the URL. An M2M API also wants a session: --login, or THINGSPACE_M2M_TOKEN.';
}

/** The platform's `fetch`, with a note of what came of the last request. */
function tracedBy(trace: Trace): typeof fetch {
  return async (input, init) => {
    Object.assign(trace, { url: new Request(input).url, response: undefined, startedAtMs: Date.now() });
    trace.response = await fetch(input, init);
    trace.durationMs = Date.now() - trace.startedAtMs;
    return trace.response;
  };
}

// What it means, and what to do

interface Explanation {
  readonly message: string;
  readonly next: string;
}

function explain(error: unknown, env: Env = process.env): Explanation {
  const { message } = error as Error;
  const reason = reasonOf(error);
  const full = reason ? `${message}: ${reason}` : message;
  if (error instanceof Stop) return { message, next: error.next };
  if (error instanceof ApiError) return { message: full, next: adviceFor(error, reason, env) };
  if (error instanceof TypeError && !reason)
    return {
      message,
      next: 'The token goes to the origins of the environment only: THINGSPACE_ENVIRONMENT, or THINGSPACE_API_ORIGINS.',
    };
  return { message: full, next: adviceForNetwork(reason, env) };
}

function adviceFor(error: ApiError, reason: string, env: Env): string {
  const { code, statusCode = 0 } = error;
  if (code === 'session_refused')
    return 'Check THINGSPACE_USERNAME and THINGSPACE_PASSWORD before you try again: five failed logins in a row lock the account.';
  if (statusCode === 429 || statusCode >= 500)
    return 'The server throttles or is unavailable: wait, then try again.';
  if (error instanceof OAuthProviderError)
    return ADVICE_OAUTH[error.error] ?? `Ask who runs the server what "${error.error}" means for this key.`;
  if (statusCode === 407) return ADVICE_407;
  if (code === 'network') return adviceForNetwork(reason, env);
  if (code === 'timeout') return 'Check the network, or raise THINGSPACE_TIMEOUT (milliseconds).';
  if (code === 'session_failed') return 'Wait, then try again.';
  if (code === 'no_credentials') return 'Set THINGSPACE_CLIENT_SECRET.';
  return 'Something else answered in the place of the token endpoint: check the URL (THINGSPACE_ENVIRONMENT, THINGSPACE_TOKEN_URL) and the proxy.';
}

const ADVICE_407 =
  'With status 407 a proxy asks for its own user name and password: put them in front of the host in the URL that HTTPS_PROXY has.';

const ADVICE_OAUTH: Readonly<Record<string, string>> = {
  invalid_client:
    'Check THINGSPACE_CLIENT_ID and THINGSPACE_CLIENT_SECRET, and that they belong to this environment (a staging key is refused in production).',
  invalid_scope: 'Ask only for scopes that the application was granted: THINGSPACE_SCOPES.',
};

function adviceForNetwork(reason: string, env: Env): string {
  // `fetch` hides a 407 behind its bare "fetch failed" (fetch standard, HTTP-network-or-cache fetch).
  if (/\b407\b|proxy authentication|^fetch failed$/i.test(reason)) return ADVICE_407;
  if (/not yet valid|has expired|CERT_HAS_EXPIRED/i.test(reason))
    return "Check this machine's clock, then the server's certificate.";
  if (/certificate|SELF_SIGNED|UNABLE_TO_/i.test(reason))
    return "Have the platform trust your company's certificate authority: NODE_EXTRA_CA_CERTS (Node, Bun), DENO_CERT (Deno).";
  const proxy = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'].find((name) => env[name]);
  if (!proxy)
    return 'Check host, DNS and firewall. Behind a proxy, set HTTPS_PROXY; Node also wants NODE_USE_ENV_PROXY=1, from 22.21 and 24.5 on.';
  const isHeeded = env['NODE_USE_ENV_PROXY'] || process.versions['bun'] || process.versions['deno'];
  return `Check host, DNS and proxy. ${proxy} is set${isHeeded ? '.' : '; Node heeds it with NODE_USE_ENV_PROXY=1 only, from 22.21 and 24.5 on.'}`;
}

/** The innermost error behind one: platforms wrap what happened in a "fetch failed". */
function reasonOf(error: unknown): string {
  const { cause } = error as Error;
  if (!(cause instanceof Error)) return '';
  const { code, message } = cause as NodeJS.ErrnoException;
  const own = code && !message.includes(code) ? `${message} (${code})` : message;
  return reasonOf(cause) || own;
}

// What is printed

function lineOf({ name, ok, message, next }: Step, env: Env): string {
  const line = `${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(9)}  ${message}\n`;
  return clean(next ? `${line}      next:      ${next}\n` : line, env);
}

function jsonOf(
  steps: readonly Step[],
  failed: { message: string; next?: string } | undefined,
  env: Env,
): string {
  const error = failed && { message: failed.message, next: failed.next };
  const text = JSON.stringify(
    { ok: !failed, steps, error },
    (_key, value) => (typeof value === 'string' ? clean(value, env) : value),
    2,
  );
  return `${text}\n`;
}

/** A text from elsewhere without the secrets that it might repeat, and without what a terminal would obey. */
function clean(text: string, env: Env): string {
  const withoutLogins = text.replace(/\/\/[^/\s@]+@/g, '//***@').replace(/[^\P{Cc}\n]/gu, ' ');
  return secretsIn(env).reduce((rest, secret) => rest.replaceAll(secret, '***'), withoutLogins);
}

/** As they stand in the variables, as in a form, and as in a Basic header. */
function secretsIn(env: Env): string[] {
  const [id = '', secret = '', session = '', password = ''] = [
    'CLIENT_ID',
    'CLIENT_SECRET',
    'M2M_TOKEN',
    'PASSWORD',
  ].map((name) => env[`THINGSPACE_${name}`]?.trim());
  const asForm = (value: string) => `${new URLSearchParams({ value })}`.slice('value='.length);
  const plain = [secret, session, password].filter(Boolean);
  const basic = secret ? [`${id}:${secret}`, `${asForm(id)}:${asForm(secret)}`] : [];
  return [
    ...basic.map((pair) => Buffer.from(pair).toString('base64')),
    ...plain,
    ...plain.map(asForm),
    ...plain.map(encodeURIComponent),
  ];
}

function withoutQuery(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
