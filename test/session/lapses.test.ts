/** Answers that are looked at for a lapsed session reach their caller, however hostile or slow they are. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { createClient, type OAuthToken } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import { fakeClock, inTime, startServer, type TestServer, turns } from '../support/server.ts';

const HELD: OAuthToken = { accessToken: 'held-token', tokenType: 'Bearer' };

const HOSTILE: Record<string, string> = {
  'an array 30,000 deep': '['.repeat(30_000) + ']'.repeat(30_000),
  'an object 30,000 deep': `${'{"errorCode":'.repeat(30_000)}1${'}'.repeat(30_000)}`,
  'a code that cannot be a text': '{"errorCode":{"toString":1},"errorMessage":{"toJSON":1}}',
  'members of the prototype':
    '{"__proto__":{"errorCode":"UnifiedWebService.REQUEST_FAILED.SessionToken.Expired"}}',
  'no JSON': 'broken {',
  nothing: '',
  null: 'null',
};
for (const [name, body] of Object.entries(HOSTILE)) {
  for (const status of [400, 403]) {
    test(`hands on a ${status} that is ${name}, unread`, async (t) => {
      const server = await startServer(t);
      const { authorizedFetch } = clientOf(server);
      server.api = ({ url }) =>
        url.endsWith('/login')
          ? { body: { sessionToken: 'invented-session' } }
          : { status, headers: { 'content-type': 'application/json' }, body };

      const answer = await authorizedFetch(`${server.origin}/x`);

      assert.deepEqual([answer.status, answer.bodyUsed, await answer.text()], [status, false, body]);
      assert.equal(server.apiRequests.length, 2, 'it was taken for a lapse');
    });
  }
}

for (const status of [400, 401]) {
  test(`hands on a ${status} whose body stalls while it is looked at, and the rest when it comes`, async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    server.token = () => ({ status: 400, body: { error: 'invalid_client' } });
    const { authorizedFetch } = clientOf(server, { oauthClientSecret: undefined });
    let stalled: ServerResponse | undefined;
    server.api = ({ url }, response) => {
      if (url.endsWith('/login')) return { body: { sessionToken: 'invented-session' } };
      stalled = response;
      response.writeHead(status, { 'content-type': 'application/json' }).write('{"errorCode":"');
    };
    let answer: Response | undefined;
    const call = authorizedFetch(`${server.origin}/x`).then((response) => (answer = response));
    await clock.until(() => stalled);
    for (let seconds = 0; seconds < 60 && !answer; seconds++) {
      clock.advance(1_000);
      await turns();
    }

    assert.equal(answer?.status, status, 'it is held back');
    stalled!.end('other"}');
    assert.deepEqual(await inTime((await call).json()), { errorCode: 'other' });
  });
}

function clientOf(server: TestServer, credentials = {}) {
  const vZM2mToken = createSession({ username: 'invented-user', password: 'invented-password' });
  return createClient(
    server.config(
      { vZM2mToken },
      { oauthToken: HELD, ...credentials },
      { sessionUrl: `${server.origin}/session` },
    ),
  );
}
