// Schedules: one configuration and a list of events, drawn by fast-check, which also shrinks them.
// The first of each list is the harmless one that shrinking ends at.
import fc from 'fast-check';

const HOUR_MS = 3_600_000;
/** How wrong a clock is that makes proofs stale. */
export const CLOCK_ERROR_MS = 600_000;

export const LIFETIMES = [3600, 60, 5, 1, 0, 'missing'];
/** Which access token the server answers with. */
export const IDENTITIES = ['fresh', 'constant', 'countdown', 'sticky'];
/** How the token endpoint answers; the server knows what each means. */
export const MOODS = [
  'ok',
  'slow',
  'serverError',
  'slowError',
  'tooMany',
  'retrySoon',
  'retryLate',
  'retryDate',
  'retryJunk',
  'network',
  'refusal',
  'hanging',
  'bodyHanging',
  'gateway',
  'oddToken',
  'noToken',
];
export const API_MOODS = ['ok', 'rejecting', 'failing', 'network', 'slow'];
/**
 * Which nonce a server wants in a proof: a new one from now on, a new one each time, one that it does not
 * tell, or none.
 */
export const NONCE_MOODS = ['off', 'rotate', 'once', 'mute'];
/** The servers that judge proofs. */
export const SERVERS = ['token', 'api'];
export const PROVIDER_ANSWERS = [
  'exchange',
  'throws',
  'hangs',
  'last',
  'junk',
  'another',
  'ended',
  'slow',
  'late',
  'fallback',
];

const plainConfig = {
  seed: fc.integer(),
  identity: fc.constantFrom(...IDENTITIES),
  lifetime: fc.constantFrom(...LIFETIMES, 3600, 60, 60),
  /** Whether the server's token is already half an hour old. */
  isMidHour: fc.constantFrom(false, true),
  stored: fc.constantFrom('none', 'none', 'none', 'valid', 'ending', 'ended', 'endless'),
  hasProvider: fc.constantFrom(false, true),
  hooks: fc.constantFrom('quiet', 'throw', 'reject'),
  waitUntil: fc.constantFrom('none', 'none', 'none', 'keeps', 'throws', 'rejects'),
  /** Whether promises die with the request that began them, as on workerd and edge runtimes. */
  isEdge: fc.constantFrom(false, false, true),
  oauthClockSkew: fc.constantFrom(10, 10, 0, 60),
  timeout: fc.constantFrom(0, 0, 8000),
  attempts: fc.constantFrom(3, 3, 1),
};

/** A client whose tokens are bound to a key. */
const boundConfig = {
  ...plainConfig,
  isBound: fc.constant(true),
  nonces: fc.constantFrom('off', 'rotate', 'once'),
};

const signals = ['none', 'none', 'own', 'shared'];
const bodies = ['none', 'none', 'string', 'stream', 'request'];

const calls = [1, 1, 1, 3].flatMap((count) =>
  signals.flatMap((signal) => [
    ...[0, 1, 2].map(() => ({ do: 'call', op: 'getToken', signal, count })),
    { do: 'call', op: 'fetchToken', signal, count },
    ...bodies.map((body) => ({ do: 'call', op: 'authorizedFetch', body, signal, count })),
  ]),
);

/** Calls whose request the runtime throws away after so many milliseconds, where it does that. */
const lostCalls = [0, 2000].flatMap((lostAfterMs) =>
  ['getToken', 'fetchToken', 'authorizedFetch'].map((op) => ({
    do: 'call',
    op,
    signal: 'none',
    count: 1,
    lostAfterMs,
  })),
);

const events = [
  of(
    24,
    [0, 30, 300, 1000, 3000, 7000, 20_000, 47_000, 61_000, 301_000, HOUR_MS].map((ms) => ({
      do: 'pass',
      ms,
    })),
  ),
  of(40, calls),
  of(9, lostCalls),
  of(
    8,
    ['oldest', 'newest', 'shared'].flatMap((whose) =>
      ['object', 'default'].map((reason) => ({ do: 'abort', whose, reason })),
    ),
  ),
  of(
    12,
    [...MOODS, 'ok', 'ok', 'ok'].map((mood) => ({ do: 'mood', mood })),
  ),
  of(
    4,
    LIFETIMES.map((seconds) => ({ do: 'lifetime', seconds })),
  ),
  of(
    3,
    [...API_MOODS, 'ok', 'ok'].map((mood) => ({ do: 'api', mood })),
  ),
  of(2, [{ do: 'revoke' }]),
  of(
    10,
    [...PROVIDER_ANSWERS, 'exchange'].map((answer) => ({ do: 'provider', answer })),
  ),
];

/** An hour takes tokens to their end. */
const plainEvents = [
  ...events,
  of(
    2,
    [HOUR_MS, -HOUR_MS].map((ms) => ({ do: 'jump', ms })),
  ),
];

/** Ten minutes make proofs stale, for as long as the clock is wrong. */
const boundEvents = [
  ...events,
  of(
    26,
    SERVERS.flatMap((at) =>
      [...NONCE_MOODS, 'rotate', 'once', 'mute', 'mute'].map((mood) => ({ do: 'nonce', at, mood })),
    ),
  ),
  of(
    12,
    SERVERS.flatMap((at) => [false, false, true].map((isRefusing) => ({ do: 'proofs', at, isRefusing }))),
  ),
  of(
    9,
    [0, 0, 0, 0, CLOCK_ERROR_MS, -CLOCK_ERROR_MS].map((ms) => ({ do: 'clockOff', ms })),
  ),
  of(2, [{ do: 'api', mood: 'slow' }]),
];

/**
 * Most schedules know nothing of proofs; the others hold more events, so that all else occurs in them as
 * often.
 */
export const schedules = fc.noBias(
  fc.oneof(of(3, schedule(plainConfig, plainEvents, 90)), of(2, schedule(boundConfig, boundEvents, 120))),
);

function schedule(config, eventsOfIt, maxLength) {
  return fc.record({
    config: fc.record(config),
    events: fc.array(fc.oneof(...eventsOfIt), { maxLength, size: 'max' }),
  });
}

function of(weight, what) {
  return { weight, arbitrary: Array.isArray(what) ? fc.constantFrom(...what) : what };
}

/** Everything that must occur often enough to be tested, as noted while a schedule is played. */
export const LABELS = [
  ...MOODS.map((mood) => `server ${mood}`),
  ...['new', 'constant', 'countdown', 'sticky'].map((identity) => `identity ${identity}`),
  ...LIFETIMES.map((seconds) => `lifetime ${seconds}`),
  ...API_MOODS.map((mood) => `api ${mood}`),
  ...PROVIDER_ANSWERS.map((answer) => `provider ${answer}`),
  ...[
    'getToken',
    'fetchToken',
    ...['none', 'string', 'stream', 'request'].map((body) => `authorizedFetch ${body}`),
  ].map((op) => `call ${op}`),
  ...SERVERS.flatMap((at) =>
    ['nonce rotate', 'nonce once', 'nonce mute', 'proof refused', 'proof stale'].map(
      (what) => `${what} at ${at}`,
    ),
  ),
  'revoked',
  'abort',
  'clock forwards',
  'clock backwards',
  'beginner lost',
];
