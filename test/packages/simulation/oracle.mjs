// The contract as a model: the token that the client should hold, told from what the world outside sees, and
// the named invariants that are judged against it. It knows nothing of the client's
// insides.
import { THUMBPRINT } from './proofs.mjs';

const RENEWAL_LIMIT_MS = 60_000;
const REJOIN_MS = 5000;
const REJECTED_FOR_MS = 60_000;
/** For so long past the known end of a repeated token it may not have ended for the server. */
const GRACE_MS = 3000;
/** A new token serves at least this long, however short its life; a repeated one has its own limit. */
const LEAST_MS = 1000;
const LEAST_REPEATED_MS = 2000;
/** Two renewals of a minute each and the calls between them, with room. */
const LONGEST_WAIT_MS = 200_000;
/** Milliseconds by which rounding may shift a retry. */
const ROUNDING_MS = 2;

const RETRYABLE = new Set([
  'serverError',
  'slowError',
  'tooMany',
  'retrySoon',
  'retryDate',
  'retryJunk',
  'network',
  'gateway',
]);
/** How long an answer asks to wait; a date says it to the second only. */
const LEAST_ASKED_MS = { retrySoon: 3000, retryLate: 90_000, retryDate: 3000 };
const MOST_ASKED_MS = { ...LEAST_ASKED_MS, retryDate: 4000 };
const MAX_DELAY_MS = 5000;
const API_ERROR_CODES = new Set(['oauth_error', 'gateway_fault', 'invalid_response', 'timeout', 'network']);

/**
 * `config` is that of a schedule, `isApiError` tells the package's own errors. What happens is told to the
 * methods; `afterStep` throws when an invariant does not hold.
 */
export function createOracle(config, clock, isApiError) {
  const { hasProvider, isEdge, waitUntil, isBound = false, attempts: maxAttempts } = config;
  const skewMs = config.oauthClockSkew * 1000;
  /** Whether the guard's delay can be known from outside to the millisecond. */
  const isPlain = !hasProvider && !isEdge;
  const violations = [];
  const callers = [];
  const exchanges = [];
  const providerCalls = [];
  const ownErrors = new Set();
  const counts = { fetchTokens: 0, ended: 0, rejections: 0, superseded: 0 };
  const rejections = new Map();
  /**
   * When replacing a token was found not to help: the replacement was rejected too, or the same token came
   * again. By token.
   */
  const fruitless = [];
  /** By access token: when the server last gave it out. */
  const givenOutAtMs = new Map();
  const proofIds = new Set();
  /** By server: the nonce that it told last. */
  const lastNonces = {};
  const replays = { told: 0, made: 0 };
  let held;
  /** What was held when the step began, and all since then: callers are told a moment after a change. */
  let heldBefore;
  let heldLately = [];
  /** Tokens of which only the client knows whether it keeps them. */
  const arrivals = new Map();
  let applied = 0;
  /** The exchange whose request was answered or given up last. */
  let lastAnswered;
  let failure;

  function check(name, holds, detail) {
    if (!holds) violations.push(`${name}: ${detail()} (at ${clock.nowMs} ms, wall ${clock.wallMs()})`);
  }

  // --- The model: which token the client holds, and until when it counts as valid (contract, sections 3 and
  // 4).

  function hold(token, { isStored, isStillSpent = false }) {
    const wallMs = clock.wallMs();
    const isUnchanged = held?.accessToken === token.accessToken;
    const isDoubtful = isUnchanged && held.isDoubtful;
    const isKnown = isUnchanged && held.endMs > wallMs - GRACE_MS && held.endMs !== Infinity;
    const endMs = isKnown && !isDoubtful ? Math.min(held.endMs, token.endMs) : token.endMs;
    const untilMs = endMs - (isUnchanged ? 0 : skewMs);
    const lifetimeMs = token.lifetimeMs ?? endMs - wallMs;
    const leastMs = isUnchanged ? LEAST_REPEATED_MS : LEAST_MS;
    const servesUntilMs = isStored ? -Infinity : wallMs + leastMs;
    held = {
      accessToken: token.accessToken,
      endMs,
      servesUntilMs,
      validUntilMs: Math.max(untilMs, servesUntilMs),
      // The jitter makes the window longer by up to a half.
      refreshFromMs: isUnchanged
        ? Infinity
        : Math.max(untilMs - 1.5 * Math.min(300_000, lifetimeMs * 0.2), servesUntilMs),
      isNearEnd: false,
      isSpent: isUnchanged && isStillSpent,
      isDoubtful,
    };
    heldLately.push(held);
  }

  /**
   * A renewal's token arrives and serves those who waited for it. One that is older than the held token's is
   * not kept; on an edge runtime a renewal that others have given up may be dropped too, which
   * `oauthOnTokenUpdate` tells.
   */
  function arrive({ number, heldAtBegin, isAfterRejection }, token) {
    givenOutAtMs.set(token.accessToken, clock.nowMs);
    noteGivenOutAgain({ heldAtBegin, isAfterRejection }, token);
    const isLate = number < applied;
    const isStillSpent = Boolean(held?.isSpent && !isAfterRejection);
    if (!isLate && (!isEdge || heldAtBegin === held)) return keep(number, token, isStillSpent);
    const servesUntilMs = clock.wallMs() + LEAST_REPEATED_MS;
    heldLately.push({ ...token, servesUntilMs });
    if (isLate) return;
    if (held.accessToken === token.accessToken) {
      // The client may know an earlier end than this one, and ask once more at it.
      if (!held.isDoubtful) counts.ended++;
      Object.assign(held, { isDoubtful: true, endMs: Math.max(held.endMs, token.endMs), servesUntilMs });
    } else arrivals.set(token.accessToken, () => keep(number, token, isStillSpent));
  }

  /**
   * Given up by a stream, and given out again: another renewal would not help, unless this one had been asked
   * for before the token was rejected.
   */
  function noteGivenOutAgain({ heldAtBegin, isAfterRejection }, { accessToken }) {
    if (isAfterRejection && heldAtBegin?.isSpent && heldAtBegin.accessToken === accessToken)
      noteFruitless(accessToken);
  }

  function keep(number, token, isStillSpent) {
    applied = number;
    hold(token, { isStored: false, isStillSpent });
  }

  function isValid() {
    return held !== undefined && !held.isSpent && !held.isDoubtful && clock.wallMs() < held.validUntilMs;
  }

  /** Counts each time at which the held token comes near its end, also after the clock was set back. */
  function countEnds() {
    if (!held) return;
    const isNearEnd = clock.wallMs() >= Math.min(held.refreshFromMs, held.validUntilMs);
    if (isNearEnd && !held.isNearEnd) counts.ended++;
    held.isNearEnd = isNearEnd;
  }

  // --- Exchanges, as seen from the token endpoint.

  const openExchanges = () => exchanges.filter(({ isOpen }) => isOpen);

  function beginExchange(isExplicit) {
    const exchange = {
      number: exchanges.length + 1,
      atMs: clock.nowMs,
      atWallMs: clock.wallMs(),
      requests: 0,
      attempts: 0,
      isChallenged: false,
      isOpen: true,
      isExplicit,
      heldAtBegin: held,
      isAfterRejection: isRejected(),
    };
    exchanges.push(exchange);
    return exchange;
  }

  function isForcedNow() {
    return callers.some(({ op, isSettled }) => op === 'fetchToken' && !isSettled);
  }

  function awaitsRenewal() {
    return callers.some((caller) => !caller.isSettled && caller.rejectedToken === held?.accessToken);
  }

  /** Whether an API has rejected the token that is held, as far as anybody has told the client. */
  function isRejected() {
    return held !== undefined && (held.isSpent || awaitsRenewal());
  }

  /** A renewal that nobody asked for in so many words needs a reason. */
  function checkCause(what) {
    const wallMs = clock.wallMs();
    if (!isValid() || awaitsRenewal()) return;
    const isAllowedHere = !isEdge || waitUntil !== 'none';
    check(
      'noNeedlessRenewal',
      wallMs >= held.refreshFromMs && isAllowedHere,
      () => `${what} while ${held.accessToken} is valid`,
    );
  }

  function checkGuard(exchange) {
    if (!failure || exchange.isExplicit) return;
    const elapsedMs = clock.wallMs() - failure.atMs;
    const isAhead = isValid() && !callers.some(({ isSettled, rejectedToken }) => !isSettled && rejectedToken);
    if (elapsedMs < 0 || (failure.isAhead && !isAhead)) return;
    check(
      'guardHolds',
      elapsedMs >= failure.leastMs,
      () => `an exchange ${elapsedMs} ms after a failure that bars ${failure.leastMs} ms`,
    );
  }

  function isKnownError(caller, error) {
    if (isApiError(error)) return API_ERROR_CODES.has(error.code);
    return ownErrors.has(error) || (error !== undefined && error === caller.networkError);
  }

  /** Whether the token that is held could have served a caller. */
  function servesHeld(caller) {
    if (held === undefined || held !== heldBefore || held.isSpent || held.isDoubtful) return false;
    return caller.rejectedToken !== held.accessToken && clock.wallMs() < held.endMs;
  }

  function noteFailure(event) {
    const stepMs = isPlain ? Math.min(failure ? failure.stepMs * 2 : 1000, 30_000) : 1000;
    const mood = event.attempts ? lastAnswered.lastMood : undefined;
    failure = {
      stepMs,
      atMs: clock.wallMs(),
      isAhead: event.type === 'refresh_ahead_failed',
      code: event.code,
      leastMs: event.attempts ? leastBarredMs(stepMs, mood) : 0,
      mostMs: isPlain ? mostBarredMs(failure, mood) : 90_000,
    };
  }

  function noteSuccess({ source, attempts }) {
    if (source === 'exchange' || attempts === 0) failure = undefined;
    // A provider has helped itself after an exchange in vain, of which no event tells.
    else if (failure) failure.leastMs = Math.min(failure.leastMs, 1000);
  }

  function leastBarredMs(stepMs, mood) {
    const askedMs = LEAST_ASKED_MS[mood] ?? 0;
    return Math.max(stepMs, askedMs > MAX_DELAY_MS ? askedMs : 0);
  }

  /** What a server has asked for may double too. */
  function mostBarredMs(before, mood) {
    return Math.max(Math.min((before?.mostMs ?? 500) * 2, 30_000), MOST_ASKED_MS[mood] ?? 0);
  }

  function checkRetry(exchange) {
    const { attempts, lastMood, answeredAtMs } = exchange;
    const askedMs = LEAST_ASKED_MS[lastMood] ?? 0;
    check('retriesByTheRules', RETRYABLE.has(lastMood), () => `asked again after ${lastMood}`);
    check('retriesByTheRules', attempts < maxAttempts, () => `attempt ${attempts + 1} of one exchange`);
    check(
      'retriesByTheRules',
      clock.nowMs - answeredAtMs >= askedMs,
      () => `did not wait ${askedMs} ms as asked`,
    );
  }

  // --- Proofs and nonces (contract, section 6).

  /**
   * Each request whose token is bound to a key has a proof of its own, with the nonce that its server told
   * last; no other has one.
   */
  function checkProof(server, isExpected, proof, { method, url, accessToken }) {
    check(
      'proofFitsRequest',
      (proof !== undefined) === isExpected,
      () => `${server} got ${proof ? 'a' : 'no'} proof`,
    );
    if (!proof) return;
    const { jti, htm, htu, ath, iat, nonce } = proof;
    check(
      'proofFitsRequest',
      htm === method && htu === url && ath === accessToken,
      () => `${method} ${url} got ${JSON.stringify(proof)}`,
    );
    check(
      'proofIsNew',
      !proofIds.has(jti) && iat === Math.floor(clock.wallMs() / 1000),
      () => `${server} got ${JSON.stringify(proof)}`,
    );
    check(
      'sendsLastNonce',
      nonce === lastNonces[server],
      () => `${server} got ${nonce}, told ${lastNonces[server]}`,
    );
    proofIds.add(jti);
  }

  /** At the token endpoint at once, once for each attempt. */
  function checkChallenge({ number, isChallenged }) {
    check('challengeIsAnswered', !isChallenged, () => `exchange ${number} did not answer a nonce challenge`);
  }

  /** A 401 is handed back only if another token has not helped lately, or there is none. */
  function checkHandedBack(caller) {
    const { rejectedToken, rejectedAtMs, rejectedAtWallMs, sent } = caller;
    if (rejectedToken === undefined || sent.length > 1) return;
    const isRepeated = givenOutAtMs.get(rejectedToken) >= rejectedAtMs;
    // Any of them: the client need not know all of these times, and a clock that is set back comes to a
    // former one again.
    const isKnown = fruitless.some(
      ({ accessToken, atMs }) =>
        accessToken === rejectedToken &&
        rejectedAtWallMs >= atMs &&
        rejectedAtWallMs - atMs < REJECTED_FOR_MS,
    );
    check('renewsRejectedToken', isRepeated || isKnown, () => `${rejectedToken} was handed back`);
    if (isRepeated) noteFruitless(rejectedToken);
  }

  function noteFruitless(accessToken) {
    fruitless.push({ accessToken, atMs: clock.wallMs() });
  }

  const oracle = {
    callers,
    /**
     * On an edge runtime with a slow endpoint and tokens that do not last, callers serve themselves one after
     * the other.
     */
    longestWaitMs: () => LONGEST_WAIT_MS + (isEdge ? callers.length * REJOIN_MS : 0),
    violate: (name, detail) => check(name, false, () => detail),
    ownError: (error) => (ownErrors.add(error), error),
    holdStored: ({ accessToken, expiresIn, expiry = Infinity }) =>
      hold(
        {
          accessToken,
          endMs: expiry * 1000,
          ...(expiresIn !== undefined && { lifetimeMs: expiresIn * 1000 }),
        },
        { isStored: true },
      ),

    requestBegun(signal, proof, target) {
      checkProof('token', isBound, proof, target);
      const isDue = ({ dueMs, context }) =>
        context === clock.context && Math.abs(dueMs - clock.nowMs) <= ROUNDING_MS;
      const challenged = openExchanges().find(
        ({ isChallenged, context }) => isChallenged && context === clock.context,
      );
      const waiting = openExchanges().find(isDue);
      const asked = openExchanges().find(({ isAsked }) => isAsked);
      const exchange = challenged ?? waiting ?? asked ?? beginExchange(isForcedNow());
      if (exchange === challenged) exchange.isChallenged = false;
      else if (exchange === waiting) checkRetry(exchange);
      else {
        exchange.context = clock.context;
        exchange.isAsked = false;
        if (!hasProvider && !exchange.isExplicit) checkCause('an exchange');
        checkGuard(exchange);
      }
      exchange.requests++;
      if (!challenged) exchange.attempts++;
      exchange.dueMs = NaN;
      return (exchange.request = {
        exchange,
        signal,
        proof,
        wallMs: clock.wallMs(),
        isOver: false,
        isAnswer: challenged !== undefined,
      });
    },

    requestAnswered(request, { mood, granted, isChallenge }) {
      const { exchange } = request;
      request.isOver = true;
      exchange.isChallenged = isChallenge && !request.isAnswer;
      lastAnswered = exchange;
      exchange.lastMood = mood;
      exchange.answeredAtMs = clock.nowMs;
      if (!granted) return;
      const { accessToken, seconds } = granted;
      const isEndless = seconds === 'missing';
      const endMs = isEndless ? Infinity : (Math.floor(request.wallMs / 1000) + seconds) * 1000;
      exchange.granted = { accessToken, endMs, ...(!isEndless && { lifetimeMs: seconds * 1000 }) };
      if (!hasProvider) arrive(exchange, exchange.granted);
    },

    requestAborted(request) {
      request.isOver = true;
      lastAnswered = request.exchange;
      request.exchange.lastMood = 'aborted';
      const isByCaller = clock.isAborting === true;
      check(
        'noCallerEndsAnExchange',
        !isByCaller,
        () => `a caller's signal ended exchange ${request.exchange.number}`,
      );
    },

    // --- The provider.

    providerCalled(lastToken, { isForced, binding }) {
      check('providerGetsBinding', binding === (isBound ? THUMBPRINT : undefined), () => `got ${binding}`);
      check(
        'providerGetsHeldToken',
        lastToken?.accessToken === held?.accessToken,
        () => `got ${lastToken?.accessToken}, held ${held?.accessToken}`,
      );
      const running = providerCalls.filter(isRunning);
      if (running.length) counts.superseded++;
      check(
        'oneRenewal',
        running.every(isSuperseded),
        () => `provider called while call ${running[0].number} is under way`,
      );
      const call = {
        number: providerCalls.length + 1,
        lastToken,
        isForced,
        atMs: clock.nowMs,
        atWallMs: clock.wallMs(),
        isOver: false,
        context: clock.context,
        heldAtBegin: held,
        isAfterRejection: isRejected(),
      };
      providerCalls.push(call);
      if (!isForced) checkCause('a provider call');
      return call;
    },

    exchangeAsked(call) {
      const exchange = beginExchange(call.isForced);
      exchange.isAsked = true;
      exchange.call = call;
      call.exchange = exchange;
      return exchange;
    },

    /** Without a request it was barred, and is no exchange. */
    exchangeOver(exchange) {
      checkChallenge(exchange);
      exchange.isOpen = false;
      if (exchange.requests === 0) exchanges.splice(exchanges.indexOf(exchange), 1);
    },

    providerAnswered(call, token) {
      const isTooLate = clock.nowMs - call.atMs >= RENEWAL_LIMIT_MS;
      if (isTooLate || typeof token?.accessToken !== 'string') return;
      const { accessToken, expiresIn } = token;
      const expiry =
        token.expiry ?? (expiresIn === undefined ? Infinity : Math.floor(clock.wallMs() / 1000) + expiresIn);
      const isOwn = accessToken === call.exchanged?.accessToken;
      if (expiry * 1000 <= clock.wallMs() && !isOwn) return;
      arrive(call, {
        accessToken,
        endMs: expiry * 1000,
        ...(expiresIn !== undefined && { lifetimeMs: expiresIn * 1000 }),
      });
    },

    // --- The API.

    nonceTold(server, nonce) {
      lastNonces[server] = nonce;
    },

    apiSent(caller, bearer, proof, { url, method, type, isRightType }) {
      check('sendsHeldToken', isRightType, () => `${bearer} sent as ${type}`);
      checkProof('api', type === 'DPoP', proof, { url, method, accessToken: bearer });
      if (caller.isChallenged) return answerChallenge(caller, bearer);
      const wallMs = clock.wallMs();
      caller.sent.push(bearer);
      const token = heldLately.findLast(({ accessToken }) => accessToken === bearer);
      check('sendsHeldToken', token !== undefined, () => `sent ${bearer}, held ${held?.accessToken}`);
      const hasEnded = token && wallMs >= Math.max(token.endMs, token.servesUntilMs);
      check('noEndedTokenSent', !hasEnded, () => `${bearer} ended ${wallMs - token.endMs} ms ago`);
      if (caller.sent.length === 1) return;
      check(
        'onlyReplaysWithAnother',
        caller.sent.length === 2 && bearer !== caller.sent[0],
        () => `sent ${caller.sent}`,
      );
      check('onlyReplaysWithAnother', caller.body !== 'stream', () => 'a stream was sent again');
    },

    apiAnswered(caller, bearer, status, isChallenge) {
      caller.status = status;
      caller.isChallenged = isChallenge;
      if (status !== 401 || isChallenge) return;
      const lastMs = rejections.get(bearer);
      const isKnown =
        lastMs !== undefined && clock.wallMs() >= lastMs && clock.wallMs() - lastMs < REJECTED_FOR_MS;
      if (!isKnown) {
        counts.rejections++;
        rejections.set(bearer, clock.wallMs());
      }
      if (caller.body === 'stream' && bearer === held?.accessToken) held.isSpent = true;
      else if (caller.sent.length > 1) noteFruitless(bearer);
      else if (caller.body !== 'stream')
        Object.assign(caller, {
          rejectedToken: bearer,
          rejectedAtMs: clock.nowMs,
          rejectedAtWallMs: clock.wallMs(),
        });
    },

    // --- Hooks.

    tokenUpdated({ accessToken }) {
      arrivals.get(accessToken)?.();
      check(
        'tellsOfHeldToken',
        accessToken === held?.accessToken,
        () => `told of ${accessToken}, held ${held?.accessToken}`,
      );
    },

    event(event) {
      if (event.type === 'retry_waiting') {
        lastAnswered.dueMs = clock.nowMs + event.delayMs;
        return;
      }
      if (event.type === 'request_replayed' && event.reason === 'nonce') replays.told++;
      if (!/^(token_obtained|token_failed|refresh_ahead_failed)$/.test(event.type)) return;
      const isExact = isPlain && event.attempts && lastAnswered.isOpen;
      check(
        'eventsCountRequests',
        !isExact || event.attempts === lastAnswered.requests,
        () => `${event.attempts} attempts told, ${lastAnswered.requests} made`,
      );
      if (isExact) lastAnswered.isOpen = false;
      if (event.type === 'token_obtained') noteSuccess(event);
      else noteFailure(event);
    },

    // --- Callers.

    callerBegun(caller) {
      if (caller.op === 'fetchToken') counts.fetchTokens++;
      Object.assign(caller, {
        id: callers.length,
        atMs: clock.nowMs,
        sent: [],
        isChallenged: false,
        challengesAnswered: 0,
        isSettled: false,
        hadValidToken: isValid(),
        hasJoined: openExchanges().length > 0 || providerCalls.some(isRunning),
        begunBefore: exchanges.length + providerCalls.length,
      });
      callers.push(caller);
      return caller;
    },

    callerFulfilled(caller, value) {
      settle(caller);
      if (caller.op === 'authorizedFetch') {
        check(
          'answersWithTheAnswer',
          value.status === caller.status,
          () => `status ${value.status}, sent ${caller.status}`,
        );
        const isOwed = caller.isChallenged && caller.body !== 'stream' && !caller.challengesAnswered;
        check('challengeIsAnswered', !isOwed, () => `call ${caller.id} was handed a nonce challenge`);
        if (value.status === 401 && !caller.isChallenged) checkHandedBack(caller);
        return;
      }
      const { accessToken, expiry = Infinity } = value;
      const isHeld = heldLately.some(
        (token) => token.accessToken === accessToken && (token.isDoubtful || token.endMs === expiry * 1000),
      );
      check(
        'returnsHeldToken',
        isHeld,
        () =>
          `${caller.op} gave ${accessToken} until ${expiry}, held is ${held?.accessToken} until ${held?.endMs}`,
      );
    },

    callerRejected(caller, error) {
      settle(caller);
      const { signal } = caller;
      if (signal?.aborted) {
        check('ownReason', error === signal.reason, () => `an aborted ${caller.op} got ${error}`);
        return;
      }
      check(
        'ownReason',
        isKnownError(caller, error),
        () => `${caller.op} got ${error?.name}: ${error?.message}`,
      );
      if (error === caller.networkError || (isApiError(error) && caller.sent.length && !caller.rejectedToken))
        return;
      check(
        'noFailureWithToken',
        caller.op === 'fetchToken' || !servesHeld(caller),
        () => `${caller.op} got ${error} while ${held.accessToken} lasts`,
      );
      if (caller.op !== 'fetchToken' && caller.atMs === clock.nowMs && !caller.rejectedToken)
        checkBarred(caller, error);
    },

    /** After everything that follows from a call at once. */
    callersCalled(called) {
      for (const { op, hadValidToken, isSettled, sent, wasAborted } of called) {
        const hasWaited = op === 'getToken' ? !isSettled : sent.length === 0;
        check(
          'noWaitWithToken',
          op === 'fetchToken' || !hadValidToken || wasAborted || !hasWaited,
          () => `${op} waits beside a valid token`,
        );
      }
    },

    callersAborted(aborted) {
      for (const { op, isSettled } of aborted)
        check('ownReason', isSettled, () => `an aborted ${op} goes on waiting`);
    },

    /** The renewal under way that this request has begun. */
    renewalOf: (context) =>
      [...openExchanges(), ...providerCalls.filter(isRunning)].find((renewal) => renewal.context === context),
    isUnderWay: (renewal) => renewal.isOpen ?? isRunning(renewal),

    /** The runtime has thrown a request away: what it waited for never comes. */
    requestLost(context) {
      for (const exchange of exchanges) if (exchange.context === context) exchange.isOpen = false;
      for (const call of providerCalls) if (call.context === context) call.isOver = true;
      for (const caller of callers) if (caller.context === context) caller.isSettled = true;
    },

    afterStep() {
      countEnds();
      for (const renewal of [...openExchanges(), ...providerCalls.filter(isRunning)]) isSuperseded(renewal);
      if (lastAnswered) checkChallenge(lastAnswered);
      heldBefore = held;
      heldLately = held ? [held] : [];
      arrivals.clear();
      for (const exchange of openExchanges()) {
        const isWaiting =
          exchange.dueMs >= clock.nowMs - ROUNDING_MS && clock.nowMs - exchange.atMs < RENEWAL_LIMIT_MS;
        exchange.isOpen = exchange.isAsked || !exchange.request.isOver || isWaiting;
      }
      checkOneExchange();
      if (violations.length) throw new Error(violations.join('\n'));
    },

    /** At the end, when everything has had its time. */
    atEnd() {
      const waiting = callers.filter(({ isSettled }) => !isSettled);
      check('everyCallerIsAnswered', waiting.length === 0, () => `${waiting.map(({ op }) => op)} still wait`);
      check(
        'tellsOfAnsweredChallenges',
        replays.told === replays.made,
        () => `${replays.told} told, ${replays.made} made`,
      );
      check(
        'noTimerStays',
        clock.countTimers() === 0,
        () => `${clock.countTimers()} timers keep the process alive`,
      );
      const failed = exchanges.filter(({ granted }) => !granted).length;
      const { fetchTokens, ended, superseded } = counts;
      const budget = 1 + fetchTokens + 2 * ended + counts.rejections + failed + superseded;
      check(
        'exchangesWithinBudget',
        exchanges.length <= budget,
        () => `${exchanges.length} exchanges, allowed ${JSON.stringify({ ...counts, failed })}`,
      );
    },
  };
  return oracle;

  function settle(caller) {
    caller.isSettled = true;
    const waitedMs = clock.nowMs - caller.atMs;
    check(
      'everyCallerIsAnswered',
      waitedMs <= oracle.longestWaitMs(),
      () => `${caller.op} waited ${waitedMs} ms`,
    );
  }

  /** At the API with the same token, once for each call, but not where its body is gone. */
  function answerChallenge(caller, bearer) {
    caller.isChallenged = false;
    caller.challengesAnswered++;
    replays.made++;
    check(
      'challengeOnceACall',
      caller.challengesAnswered === 1,
      () => `call ${caller.id} answered ${caller.challengesAnswered} nonce challenges`,
    );
    check('challengeOnceACall', caller.body !== 'stream', () => 'a stream was sent again');
    check(
      'challengeCostsNoToken',
      bearer === caller.sent.at(-1),
      () => `answered with ${bearer}, sent ${caller.sent}`,
    );
  }

  /** One; on an edge runtime another one beside those that have not answered within five seconds. */
  function checkOneExchange() {
    const open = openExchanges();
    if (open.length < 2) return;
    if (!open.at(-1).isBeside && !hasProvider) counts.superseded++;
    open.at(-1).isBeside = true;
    const renewals = open
      .map((exchange) => exchange.call ?? exchange)
      .sort((one, other) => one.atMs - other.atMs);
    check(
      'oneExchange',
      renewals.slice(0, -1).every(isSuperseded),
      () => `${open.length} exchanges under way, begun at ${renewals.map(({ atMs }) => atMs)}`,
    );
  }

  function isRunning({ isOver, atMs }) {
    return !isOver && clock.nowMs - atMs < RENEWAL_LIMIT_MS;
  }

  /**
   * On an edge runtime nobody waits longer for a renewal that another request has begun; its age is the wall
   * clock's.
   */
  function isSuperseded(renewal) {
    renewal.isOld ||= Math.max(clock.nowMs - renewal.atMs, clock.wallMs() - renewal.atWallMs) >= REJOIN_MS;
    return isEdge && renewal.isOld;
  }

  /** A failure at once, without asking anybody: only while the guard holds, and with what failed last. */
  function checkBarred(caller, error) {
    const hasAsked = caller.hasJoined || exchanges.length + providerCalls.length > caller.begunBefore;
    if (hasAsked) return;
    const elapsedMs = failure && clock.wallMs() - failure.atMs;
    const isBarred = failure !== undefined && elapsedMs >= 0 && elapsedMs < failure.mostMs;
    check('guardEnds', isBarred, () => `${caller.op} failed at once, ${elapsedMs} ms after the last failure`);
    const code = isApiError(error) ? error.code : 'other';
    check(
      'guardNamesLastCause',
      !failure || code === failure.code,
      () => `${caller.op} got ${code}, last failure was ${failure.code}`,
    );
  }
}
