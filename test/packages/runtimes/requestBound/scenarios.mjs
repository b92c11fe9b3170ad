// The fates of a request that began an exchange, and what the others must still get. Each has a client of
// its own, so that they run side by side; `url` is where that client is called.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { LIMIT_MS } from './endpoint.mjs';

export const SCENARIOS = {
  allStay: {
    title: 'shares one exchange among requests that stay',
    async run(url, client) {
      assert.deepEqual(await callAll(url, 4), Array(4).fill('200 Bearer token-1'));
      assert.equal(client.exchanges, 1);
    },
  },

  beginnerCutOff: {
    title: 'answers joiners and later requests when the beginner is cut off, with one more exchange',
    async run(url, client) {
      loseFirst(client, 1);
      const beginner = await begin(url, client);
      const joiners = callAll(url, 3);
      await joined(client, 4);
      beginner.resetAndDestroy();

      assert.deepEqual(await joiners, Array(3).fill('200 Bearer token-2'));
      assert.equal(await call(url), '200 Bearer token-2');
      assert.equal(client.exchanges, 2);
    },
  },

  nobodyJoined: {
    title: 'answers requests that come after the beginner has been cut off, with one more exchange',
    async run(url, client) {
      loseFirst(client, 1);
      const beginner = await begin(url, client);
      beginner.resetAndDestroy();
      await settle();

      assert.equal(await call(url), '200 Bearer token-2');
      assert.equal(await call(url), '200 Bearer token-2');
      assert.equal(client.exchanges, 2);
    },
  },

  beginnerLeft: {
    title:
      'answers joiners and later requests when the beginner answered without awaiting, with one more exchange',
    async run(url, client) {
      assert.equal(await call(url, 'leave'), '200 left');

      const answers = await callAll(url, 3);
      assert.ok(
        answers.every((answer) => /^200 Bearer token-[12]$/.test(answer)),
        answers.join(),
      );
      assert.match(await call(url), /^200 Bearer token-[12]$/);
      assert.ok(client.exchanges <= 2, `${client.exchanges} exchanges`);
    },
  },

  twoCutOff: {
    title: 'answers when the next beginner is cut off too, with one more exchange for each',
    async run(url, client) {
      loseFirst(client, 2);
      const first = await begin(url, client);
      const second = await open(url);
      await joined(client, 2);
      first.resetAndDestroy();
      await client.reached('exchanges', 2);
      const joiner = call(url);
      await joined(client, 3);
      second.resetAndDestroy();

      assert.equal(await joiner, '200 Bearer token-3');
      assert.equal(await call(url), '200 Bearer token-3');
      assert.equal(client.exchanges, 3);
    },
  },

  refused: {
    title: 'gives a refusal to everyone who waited, and makes no further exchange at once',
    async run(url, client) {
      const answer = hold(client);
      const waiting = callAll(url, 3);
      await joined(client, 3);
      const refusedAtMs = performance.now();
      answer({ status: 401, error: 'invalid_client' });

      for (const answer of await waiting) assert.match(answer, /^502 OAuthProviderError: .*invalid_client/);
      assert.match(await call(url), /^502 OAuthProviderError: .*invalid_client/);
      // The outage guard holds for a second.
      assertOneExchange(client, { sinceMs: refusedAtMs, pauseMs: 1_000 });
    },
  },

  keptAlive: {
    title: 'needs no further exchange with waitUntil when the beginner is cut off',
    setup: { hasWaitUntil: true },
    async run(url, client) {
      const answer = hold(client);
      const beginner = await begin(url, client);
      const joinedAtMs = performance.now();
      const joiner = call(url);
      await joined(client, 2);
      beginner.resetAndDestroy();
      await settle();
      answer({ access_token: 'token-1', expires_in: 3600 });

      assert.equal(await joiner, '200 Bearer token-1');
      assert.equal(await call(url), '200 Bearer token-1');
      // A joiner looks again after five seconds.
      assertOneExchange(client, { sinceMs: joinedAtMs, pauseMs: 5_000 });
    },
  },

  aheadKeptAlive: {
    title: 'refreshes ahead with waitUntil, beside a request that is answered at once',
    setup: { hasWaitUntil: true, isEnding: true },
    async run(url, client) {
      const answer = hold(client);
      await firstSecondOf(url);

      assert.equal(await call(url), '200 Bearer stored-token');
      await client.reached('exchanges', 1);
      assert.equal(await call(url), '200 Bearer stored-token');
      answer({ access_token: 'fresh-token', expires_in: 3600 });
      // Only a call shows that the refresh has ended; in vain, the stored token does, which costs an exchange
      // more.
      while ((await call(url)) === '200 Bearer stored-token') await settle();

      assert.equal(await call(url), '200 Bearer fresh-token');
      assert.equal(client.exchanges, 1);
    },
  },

  aheadForbidden: {
    title: 'does not refresh ahead without waitUntil, since the refresh could not outlive its request',
    setup: { isEnding: true },
    async run(url, client) {
      await firstSecondOf(url);

      assert.deepEqual(await callAll(url, 5), Array(5).fill('200 Bearer stored-token'));
      await settle();
      assert.equal(client.exchanges, 0);
    },
  },

  sessionShared: {
    title: 'shares one login among requests that stay',
    setup: { hasSession: true },
    async run(url, client) {
      assert.deepEqual(await callAll(url, 4), Array(4).fill('200 Bearer token-1 session-1'));
      assert.equal(client.logins, 1);
    },
  },

  sessionCutOffBeforeLogin: {
    title: 'answers joiners when the beginner is cut off before its login has been sent, with one login',
    setup: { hasSession: true },
    async run(url, client, endsWithCaller) {
      loseFirst(client, 1);
      const beginner = await begin(url, client);
      const joiners = callAll(url, 3);
      await joined(client, 4);
      beginner.resetAndDestroy();

      assertServed(await joiners, '200 Bearer token-2 session-1', endsWithCaller);
      await laterCall(url, '200 Bearer token-2 session-1');
      assert.equal(client.logins, 1);
    },
  },

  sessionCutOffAfterLogin: {
    title:
      'answers joiners and later requests when the beginner is cut off after its login was sent, with one more login',
    setup: { hasSession: true },
    async run(url, client, endsWithCaller) {
      loseFirstLogin(client);
      const beginner = await open(url);
      await client.reached('logins', 1);
      const joiners = callAll(url, 3);
      await joined(client, 4);
      beginner.resetAndDestroy();

      assertServed(await joiners, '200 Bearer token-1 session-2', endsWithCaller);
      await laterCall(url, '200 Bearer token-1 session-2');
      assert.equal(client.logins, 2);
    },
  },

  sessionNobodyJoined: {
    title: 'answers requests that come after the beginner of a login has been cut off, with one more login',
    setup: { hasSession: true },
    async run(url, client, endsWithCaller) {
      loseFirstLogin(client);
      const beginner = await open(url);
      await client.reached('logins', 1);
      beginner.resetAndDestroy();
      await settle();

      assertServed([await call(url)], '200 Bearer token-1 session-2', endsWithCaller);
      await laterCall(url, '200 Bearer token-1 session-2');
      assert.equal(client.logins, 2);
    },
  },
};

async function call(url, action = 'call') {
  const response = await fetch(`${url}/${action}`, { signal: AbortSignal.timeout(LIMIT_MS) });
  return `${response.status} ${await response.text()}`;
}

function callAll(url, count) {
  return Promise.all(Array.from({ length: count }, () => call(url)));
}

/** A raw connection, since only a reset tells workerd that its client has gone. */
async function open(url) {
  const { hostname, port, host, pathname } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.write(`GET ${pathname}/call HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  return socket;
}

/** A raw request whose exchange, the first, has reached the endpoint. */
async function begin(url, client) {
  const socket = await open(url);
  await client.reached('exchanges', 1);
  return socket;
}

/** The first exchanges are never answered: they end with whom they belong to, or with the time limit. */
function loseFirst(client, count) {
  const { answer } = client;
  client.answer = (number) => (number > count ? answer(number) : new Promise(() => {}));
}

/** One, and no more than one for each pause that has passed, as on a busy machine one may. */
function assertOneExchange(client, { sinceMs, pauseMs }) {
  const most = 1 + Math.floor((performance.now() - sinceMs) / pauseMs);
  assert.ok(client.exchanges >= 1 && client.exchanges <= most, `${client.exchanges} exchanges`);
}

/** Where the work of a caller that has gone goes on, it is waited for, to its time limit. */
function assertServed(answers, expected, endsWithCaller) {
  for (const answer of answers)
    if (endsWithCaller || !/^502 ApiError: .*(not enough|no answer)/.test(answer))
      assert.equal(answer, expected);
}

/** One that comes when the outage guard holds no more. */
async function laterCall(url, expected) {
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  assert.equal(await call(url), expected);
}

/** The first login is never answered. */
function loseFirstLogin(client) {
  const { answerLogin } = client;
  client.answerLogin = (number) => (number > 1 ? answerLogin(number) : new Promise(() => {}));
}

/** Holds exchanges back until the function that is returned answers them. */
function hold(client) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  client.answer = () => released;
  return release;
}

/** Until so many requests have come and, from all that can be told outside, wait for the exchange. */
async function joined(client, arrivals) {
  await client.reached('arrivals', arrivals);
  await settle();
}

/** Time for what has no other sign outside. */
function settle() {
  return new Promise((resolve) => setTimeout(resolve, 150));
}

/** No token is refreshed in its first second, which starts with its first use. */
async function firstSecondOf(url) {
  assert.equal(await call(url), '200 Bearer stored-token');
  await new Promise((resolve) => setTimeout(resolve, 1100));
}
