/**
 * Calls of `fetch` drawn at random from a seed: every kind of input, every option with good and bad values,
 * both makes of signals, redirects of every kind. A script is plain data, from which a call is built anew for
 * each `fetch` that plays it.
 */
import { BODIES, olderController, requestOf, STREAMS, streamOf } from './bodies.ts';

/** One call, and what happens while it runs. */
export interface CallScript {
  readonly input: 'text' | 'URL' | 'Request' | 'subclass' | 'Request with options';
  /** Path and query at the first server; `OTHER` stands for the second one's origin, URL-encoded. */
  readonly target: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly body: string | undefined;
  readonly headers: number;
  readonly signal: keyof typeof SIGNALS;
  /** What is wrong with the arguments, so that nothing may be sent, not even for a token. */
  readonly bad: readonly unknown[] | undefined;
  /** A dispatcher counts its requests. */
  readonly hasDispatcher: boolean;
  /** What is out of the ordinary with the call, if anything. */
  readonly oddity: Oddity | undefined;
}

/**
 * Its caller changes the body as soon as the call is made. A 401 comes behind a redirect that has made a
 * GET of it. The body of a `Request` has no end, and the call is aborted, or answered before. Its `fetch`
 * leads calls elsewhere.
 */
export type Oddity =
  | 'changed body'
  | 'refused after a redirect'
  | 'endless, aborted'
  | 'endless, answered'
  | 'rerouted';

/** Where a rerouted call says that it goes. */
export const REROUTED_ORIGIN = 'https://api.example.com';

/** A script made ready for one player. */
export interface BuiltCall {
  readonly parameters: readonly [input: unknown, init?: unknown];
  readonly abort: (() => void) | undefined;
  /** Changes the body that was given. */
  readonly change: () => void;
  readonly signal: AbortSignal | undefined;
  /** What the platform did to the streamed body, in order. */
  readonly cancelled: unknown[];
  /** How many requests went through the dispatcher. */
  readonly countDispatched: () => number;
}

type Random = <T>(choices: readonly T[]) => T;

const HANGING_TARGETS = ['/hang', '/to?status=307&to=/hang'];
const PLAIN_TARGETS = [
  '/',
  '/path?query=1#fragment',
  '/answer?status=404',
  '/answer?status=204',
  '/empty',
  '/gzip',
  '/close',
  '/cut',
];
const LOCATIONS = [
  '/end',
  '/end',
  'OTHER/end',
  'OTHER/end',
  '?query=2',
  '#fragment',
  'http://[',
  'OTHER/to?status=307&to=/end',
  '/to?status=302&to=OTHER/end',
];
const STATUSES = [301, 302, 303, 307, 308];
const POLICIES = [
  'no-referrer',
  'no-referrer-when-downgrade',
  'origin',
  'origin-when-cross-origin',
  'same-origin',
  'strict-origin',
  'strict-origin-when-cross-origin',
  'unsafe-url',
];

/** Good values of each option; a page of the first server's own is what `referrer` may name. */
const OPTIONS: Readonly<Record<string, readonly unknown[]>> = {
  cache: ['default', 'no-store', 'reload', 'no-cache', 'force-cache'],
  credentials: ['omit', 'same-origin', 'include'],
  mode: ['cors', 'same-origin', 'no-cors'],
  referrer: [
    '',
    'about:client',
    'ORIGIN/page',
    'ORIGIN/page?query=1#fragment',
    'https://elsewhere.example.com/page',
  ],
  // Node is wrong about `no-referrer` and `same-origin`.
  referrerPolicy: ['', ...POLICIES.filter((policy) => policy !== 'no-referrer' && policy !== 'same-origin')],
  keepalive: [true, false],
  window: [null],
  priority: ['high', 'low'],
};

/** Arguments that `fetch` refuses, as options or instead of them. */
const BAD: readonly (readonly unknown[])[] = [
  ...['Manual', 'sometimes', null, 0, {}, ''].map((value) => ['redirect', value]),
  ...['CONNECT', 'a b', '', 'TRACE'].map((value) => ['method', value]),
  ...['sometimes', null, 'only-if-cached'].map((value) => ['cache', value]),
  ...['always', null].map((value) => ['credentials', value]),
  ...['navigate', 'websocket', 'own'].map((value) => ['mode', value]),
  ...['http://', 'http://['].map((value) => ['referrer', value]),
  ...['sometimes', null].map((value) => ['referrerPolicy', value]),
  ...['x', 5, {}, { aborted: false }, new EventTarget()].map((value) => ['signal', value]),
  ...[{ 'a b': '1' }, { 'x-a': 'a\nb' }, { 'x-a': '→' }, [['x-a']], 'x-a: 1', 5].map((value) => [
    'headers',
    value,
  ]),
  ['window', 'x'],
  ['body', 'a body of a GET'],
  ['duplex', 'full'],
  ...['POST', 5, true].map((value) => [undefined, value]),
];

const HEADERS: readonly (() => unknown)[] = [
  () => undefined,
  () => ({ 'x-a': '1', cookie: 'a=1', 'content-language': 'de' }),
  () =>
    new Headers([
      ['x-a', '1'],
      ['x-a', '2'],
      ['proxy-authorization', 'Basic own'],
    ]),
  () => [
    ['x-a', ' 1 '],
    ['content-type', 'text/own'],
    ['referer', 'http://own.example.com/'],
  ],
  () => ({ accept: 'text/x', 'user-agent': 'invented', 'cache-control': 'max-age=5' }),
  () => ({}),
];

const SIGNALS = {
  none: () => ({}),
  null: () => ({ signal: null }),
  live: () => ({ signal: new AbortController().signal }),
  aborted: () => ({ signal: AbortSignal.abort(new RangeError('enough')) }),
  'aborted with a text': () => ({ signal: AbortSignal.abort('enough') }),
  'aborted while it runs': () => {
    const controller = new AbortController();
    return { signal: controller.signal, abort: () => controller.abort('enough') };
  },
  'of older make': () => ({ signal: olderController().signal }),
  'of older make, aborted': () => {
    const controller = olderController();
    controller.abort();
    return { signal: controller.signal };
  },
  'of older make, aborted while it runs': () => olderController(),
} satisfies Readonly<Record<string, () => { signal?: AbortSignal | null; abort?: () => void }>>;

/** The script of a seed: a whole number. */
export function drawScript(seed: number): CallScript {
  const random = createRandom(seed);
  const pick: Random = (choices) => choices[Math.floor(random() * choices.length)]!;
  const chance = (part: number) => random() < part;
  const input = pick(['text', 'URL', 'Request', 'Request', 'subclass', 'Request with options'] as const);
  const bad = chance(0.15) ? pick(BAD) : undefined;
  const signal = chance(0.5) ? 'none' : pick(Object.keys(SIGNALS) as (keyof typeof SIGNALS)[]);
  const isRedirected = chance(0.6);
  const method = pick(['GET', 'GET', 'HEAD', 'POST', 'POST', 'PUT', 'DELETE', 'post', 'options']);
  const options: Record<string, unknown> = { method, ...drawOptions(pick, chance) };
  const status = pick(STATUSES);
  const redirecting = `/to?status=${status}&to=${encodeURIComponent(pick(LOCATIONS))}`;
  const answering = isRedirected ? redirecting : pick(PLAIN_TARGETS);
  const target = signal.endsWith('while it runs') ? pick(HANGING_TARGETS) : answering;
  // Modes are for browsers, which follow redirects themselves. Of `no-cors`, Node makes an answer without
  // status or body of one from another origin.
  if (target.startsWith('/to')) delete options.mode;
  // A redirect with integrity is refused, on purpose.
  if (!target.startsWith('/to') && chance(0.1))
    options.integrity = pick(['', 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=']);
  const body = /^(post|put)$/i.test(method) && chance(0.7) ? drawBody(pick, target, input) : undefined;
  const script: CallScript = {
    input,
    target,
    options,
    body,
    headers: Math.floor(random() * HEADERS.length),
    signal,
    bad,
    // One that is hidden in a Request goes along with the Request itself only.
    hasDispatcher: chance(0.15) && (!target.startsWith('/to') || !/^(Request|subclass)$/.test(input)),
    oddity: undefined,
  };
  return chance(0.1) && !bad ? withOddity(script, pick) : script;
}

const CHANGEABLE = [
  'URLSearchParams',
  'FormData',
  'ArrayBuffer',
  'Uint8Array',
  'typed array of a part',
  'DataView',
];

function withOddity(script: CallScript, pick: Random): CallScript {
  const oddity = pick<Oddity>([
    'changed body',
    'refused after a redirect',
    'endless, aborted',
    'endless, answered',
    'rerouted',
  ]);
  const posted = { ...script, oddity, options: { method: 'POST' }, body: undefined, hasDispatcher: false };
  if (oddity === 'changed body')
    return { ...posted, input: pick(['text', 'URL']), target: '/', body: pick(CHANGEABLE), signal: 'live' };
  if (oddity === 'refused after a redirect') {
    const to = encodeURIComponent('/answer?status=401');
    return {
      ...posted,
      target: `/to?status=${pick([301, 302, 303])}&to=${to}`,
      body: 'string',
      signal: 'none',
    };
  }
  if (oddity === 'rerouted')
    return {
      ...script,
      oddity,
      input: pick(['text', 'URL']),
      hasDispatcher: false,
      options: drawPlainOptions(script),
    };
  const isAborted = oddity === 'endless, aborted';
  return {
    ...posted,
    input: 'Request',
    target: isAborted ? pick(['/hang', '/to?status=307&to=/hang']) : '/early',
    body: ENDLESS,
    headers: 0,
    signal: isAborted ? 'aborted while it runs' : 'none',
  };
}

/** Without a referrer, which is compared with the URL that the call says. */
function drawPlainOptions({ options }: CallScript): CallScript['options'] {
  const { referrer: _, referrerPolicy: __, ...plain } = options;
  return plain;
}

const ENDLESS = 'a stream without an end';

function drawOptions(pick: Random, chance: (part: number) => boolean): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, values] of Object.entries(OPTIONS)) if (chance(0.25)) options[name] = pick(values);
  if (chance(0.4)) options.redirect = pick(['follow', 'follow', 'manual', 'error']);
  return options;
}

/**
 * Node 20 spoils bytes that it sends again, so those go nowhere; a Request's stream is cloned, so that it can
 * be sent again.
 */
function drawBody(pick: Random, target: string, input: CallScript['input']): string {
  const isSentAgain = target.startsWith('/to');
  const names = Object.keys(isSentAgain ? { string: 0, URLSearchParams: 0, Blob: 0 } : BODIES);
  const streams = isSentAgain && input !== 'text' && input !== 'URL' ? [] : Object.keys(STREAMS);
  return pick([...names, ...names, ...streams]);
}

/** Builds a script's call. */
export function buildCall(script: CallScript, origin: string, other: string): BuiltCall {
  const { input, target, body, bad } = script;
  const url = (script.oddity === 'rerouted' ? REROUTED_ORIGIN : origin) + target.replaceAll('OTHER', other);
  const { signal, abort }: { signal?: AbortSignal | null; abort?: () => void } = SIGNALS[script.signal]();
  const cancelled: unknown[] = [];
  const dispatcher = script.hasDispatcher ? countingDispatcher() : undefined;
  const given = body && bodyOf(body);
  const options: Record<string, unknown> = {
    ...withOrigin(script.options, origin),
    headers: HEADERS[script.headers]!(),
    ...(body && { body: watch(given, cancelled), duplex: 'half' }),
    ...(signal !== undefined && { signal }),
    ...(dispatcher && { dispatcher }),
  };
  const init = bad?.length ? withBad(options, bad) : options;
  const parameters = placeOptions(input, url, options, init, bad);
  return {
    parameters,
    abort,
    change: () => {
      if (script.oddity === 'changed body') changeBody(given);
    },
    signal: signal ?? undefined,
    cancelled,
    countDispatched: () => dispatcher?.count() ?? 0,
  };
}

/** A Request takes the good options; bad ones come beside it, where `fetch` and not the test meets them. */
function placeOptions(
  input: CallScript['input'],
  url: string,
  options: Record<string, unknown>,
  init: unknown,
  bad: CallScript['bad'],
): BuiltCall['parameters'] {
  if (input === 'text') return [url, init];
  if (input === 'URL') return [new URL(url), init];
  if (input === 'Request with options')
    return [requestOf(url, { referrerPolicy: 'unsafe-url', headers: { 'x-own': '1' } }), init];
  const Kind = input === 'subclass' ? class extends Request {} : Request;
  // The settings of a Request hold where the Request itself is sent, and its referrer nowhere.
  const { referrer: _, referrerPolicy: __, cache, ...others } = options;
  try {
    const request = new Kind(url, (url.includes('/to?') ? others : { cache, ...others }) as RequestInit);
    return bad ? [request, init] : [request];
  } catch {
    // What no Request takes (`keepalive` beside a stream) goes to `fetch` as it is.
    return [url, init];
  }
}

function withBad(options: Record<string, unknown>, [name, value]: readonly unknown[]): unknown {
  if (name === undefined) return value;
  if (name === 'body') return { ...options, method: 'GET', body: value };
  if (name === 'cache' && value === 'only-if-cached') return { ...options, cache: value, mode: 'cors' };
  if (name === 'duplex') return { ...options, method: 'POST', body: streamOf('a'), duplex: value };
  return { ...options, [name as string]: value };
}

function withOrigin(options: Readonly<Record<string, unknown>>, origin: string): Record<string, unknown> {
  const { referrer } = options;
  return typeof referrer === 'string'
    ? { ...options, referrer: referrer.replace('ORIGIN', origin) }
    : { ...options };
}

function bodyOf(name: string): unknown {
  if (name === ENDLESS) return endlessStream();
  return (BODIES[name] ?? STREAMS[name])!();
}

/** A body that goes on for ever, at its reader's pace. */
function endlessStream(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: async (controller) => {
      await new Promise((resolve) => setTimeout(resolve, 1).unref());
      controller.enqueue(new Uint8Array(64));
    },
  });
}

/** Changes what can be changed of a body after it has been given. */
function changeBody(body: unknown): void {
  if (body instanceof URLSearchParams || body instanceof FormData) body.append('late', 'invented');
  const { buffer = body } = Object(body) as { buffer?: unknown };
  if (buffer instanceof ArrayBuffer) new Uint8Array(buffer).fill(7);
}

/** Notes with which reason a stream is cancelled. */
function watch(body: unknown, cancelled: unknown[]): unknown {
  if (!(body instanceof ReadableStream)) return body;
  const reader = body.getReader();
  return new ReadableStream({
    pull: async (controller) => {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => void cancelled.push(reason),
  });
}

interface Dispatcher {
  readonly dispatch: (...parameters: readonly unknown[]) => unknown;
}

/** Node's own dispatcher, counted. It is there once `fetch` has been used. */
function countingDispatcher(): Dispatcher & { readonly count: () => number } {
  const inner = (globalThis as Record<symbol, unknown>)[
    Symbol.for('undici.globalDispatcher.1')
  ] as Dispatcher;
  let count = 0;
  return { dispatch: (...parameters) => (count++, inner.dispatch(...parameters)), count: () => count };
}

/** Numbers from 0 to 1, the same ones for a seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
