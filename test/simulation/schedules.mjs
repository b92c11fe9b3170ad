// What can happen: one configuration and a list of events, drawn by fast-check, which also shrinks them.
// The first of each list is the harmless one that shrinking ends at.
import fc from 'fast-check';

const HOUR_MS = 3_600_000;

export const LIFETIMES = [3600, 60, 5, 1, 0, 'missing'];
/** Which access token the server answers with. */
export const IDENTITIES = ['fresh', 'constant', 'countdown', 'sticky'];
/** How the token endpoint answers; the server knows what each means. */
export const MOODS = [
  'ok', 'slow', 'serverError', 'slowError', 'tooMany', 'retrySoon', 'retryLate', 'retryDate', 'retryJunk',
  'network', 'refusal', 'hanging', 'bodyHanging', 'gateway', 'oddToken', 'noToken',
];
export const API_MOODS = ['ok', 'rejecting', 'failing', 'network', 'slow'];
export const PROVIDER_ANSWERS = ['exchange', 'throws', 'hangs', 'last', 'junk', 'another', 'ended', 'slow', 'late', 'fallback'];

const config = fc.record({
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
});

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
  ['getToken', 'fetchToken', 'authorizedFetch'].map((op) => ({ do: 'call', op, signal: 'none', count: 1, lostAfterMs })),
);

const event = fc.oneof(
  of(24, [0, 30, 300, 1000, 3000, 7000, 20_000, 47_000, 61_000, 301_000, HOUR_MS].map((ms) => ({ do: 'pass', ms }))),
  of(40, calls),
  of(9, lostCalls),
  of(8, ['oldest', 'newest', 'shared'].flatMap((whose) => ['object', 'default'].map((reason) => ({ do: 'abort', whose, reason })))),
  of(2, [HOUR_MS, -HOUR_MS].map((ms) => ({ do: 'jump', ms }))),
  of(12, [...MOODS, 'ok', 'ok', 'ok'].map((mood) => ({ do: 'mood', mood }))),
  of(4, LIFETIMES.map((seconds) => ({ do: 'lifetime', seconds }))),
  of(3, [...API_MOODS, 'ok', 'ok'].map((mood) => ({ do: 'api', mood }))),
  of(2, [{ do: 'revoke' }]),
  of(10, [...PROVIDER_ANSWERS, 'exchange'].map((answer) => ({ do: 'provider', answer }))),
);

export const schedules = fc.noBias(fc.record({ config, events: fc.array(event, { maxLength: 90, size: 'max' }) }));

function of(weight, events) {
  return { weight, arbitrary: fc.constantFrom(...events) };
}

/** Everything that must occur often enough to be tested, as noted while a schedule is played. */
export const LABELS = [
  ...MOODS.map((mood) => `server ${mood}`),
  ...['new', 'constant', 'countdown', 'sticky'].map((identity) => `identity ${identity}`),
  ...LIFETIMES.map((seconds) => `lifetime ${seconds}`),
  ...API_MOODS.map((mood) => `api ${mood}`),
  ...PROVIDER_ANSWERS.map((answer) => `provider ${answer}`),
  ...['getToken', 'fetchToken', ...['none', 'string', 'stream', 'request'].map((body) => `authorizedFetch ${body}`)].map((op) => `call ${op}`),
  'revoked',
  'abort',
  'clock forwards',
  'clock backwards',
  'beginner lost',
];
