// Fetches that are not the platform's, as npm has them: a call gets their answers, and a token's request says
// what is amiss.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import crossFetch from 'cross-fetch';
import fetchMock from 'fetch-mock';
import FormData from 'form-data';
import nodeFetch from 'node-fetch';
import nodeFetch2 from 'node-fetch-2';
import { createClient } from 'thingspace-auth';
import { startServer } from './server.mjs';

const server = await startServer();
after(server.close);

const FETCHES = { 'node-fetch 3': nodeFetch, 'node-fetch 2': nodeFetch2, 'cross-fetch': crossFetch };
const BODIES = {
  'a stream': () => Readable.from([Buffer.from('text of a stream')]),
  'a form': () => {
    const form = new FormData();
    form.append('field', 'text of a form');
    return form;
  },
};
const HELD = { accessToken: 'held-token', tokenType: 'Bearer' };
const RULE = /^fetch must answer with a Response: status, headers, and a stream or null as body$/;

for (const [name, fetch] of Object.entries(FETCHES)) {
  test(`${name} gets an API's answers, redirects and all`, async () => {
    const { authorizedFetch } = createClient(server.config({ fetch }, HELD));

    const answer = await authorizedFetch(`${server.origin}/api`);
    assert.deepEqual([answer.status, (await answer.json()).authorization], [200, 'Bearer held-token']);
    const moved = await authorizedFetch(`${server.origin}/moved`, { method: 'POST', body: 'text' });
    assert.deepEqual(
      [moved.status, moved.redirected, await moved.json()],
      [200, true, { path: '/api', method: 'POST', body: 'text', authorization: 'Bearer held-token' }],
    );
    const outside = await authorizedFetch(`${server.origin}/out`);
    assert.equal((await outside.json()).authorization, undefined);
  });

  test(`${name} asked for a token is told what fetch must answer, nothing of network or URL`, async () => {
    const { fetchToken, authorizedFetch } = createClient(server.config({ fetch }));

    for (const call of [() => fetchToken(), () => authorizedFetch(`${server.origin}/api`)]) {
      await assert.rejects(call, (error) => error instanceof TypeError && RULE.test(error.message));
    }
  });

  test(`${name} with a provider that asks the platform's fetch serves and replays`, async () => {
    const tokens = createClient(server.config({}));
    const { authorizedFetch } = createClient(
      server.config({ fetch }, HELD, { oauthTokenProvider: () => tokens.fetchToken() }),
    );

    const answer = await authorizedFetch(`${server.origin}/strict`, { method: 'POST', body: 'text' });

    const { authorization, body } = await answer.json();
    assert.equal(body, 'text');
    assert.match(authorization, /^Bearer new-token-\d+$/);
  });

  for (const [kind, makeBody] of Object.entries(BODIES)) {
    test(`${name} sends ${kind} of Node and npm once, whether or not the call waits for a token`, async () => {
      const tokens = createClient(server.config({}));
      const send = (oauthToken, path) =>
        createClient(
          server.config({ fetch }, oauthToken, { oauthTokenProvider: () => tokens.fetchToken() }),
        ).authorizedFetch(`${server.origin}${path}`, { method: 'POST', body: makeBody() });

      for (const oauthToken of [HELD, undefined]) {
        const { body } = await (await send(oauthToken, '/api')).json();
        assert.match(body, new RegExp(`text of ${kind}`), `with ${oauthToken?.accessToken}`);
      }
      assert.equal((await send(HELD, '/strict')).status, 401);
    });
  }
}

test("fetch-mock's answers, which are proxies, serve tokens, redirects and clones", async () => {
  const mock = fetchMock.createInstance();
  mock.post(server.config({}).environment.tokenUrl, { access_token: 'mocked-token', expires_in: 3600 });
  mock.get(`${server.origin}/from`, { status: 302, headers: { location: `${server.origin}/to` } });
  mock.get(`${server.origin}/to`, { path: '/to' });
  const { authorizedFetch } = createClient(server.config({ fetch: mock.fetchHandler }));

  const answer = await authorizedFetch(`${server.origin}/from`);

  // Its proxies have a word of their own for `redirected`.
  assert.deepEqual([answer.status, answer.clone().status], [200, 200]);
  assert.deepEqual(await answer.json(), { path: '/to' });
});
