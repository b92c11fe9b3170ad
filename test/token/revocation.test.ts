import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createClient, OAuthProviderError, type OAuthToken, revokeToken } from 'thingspace-auth';
import { type Answer, recordEvents, startServer } from '../support/server.ts';

const TOKEN: OAuthToken = { accessToken: 'invented-token', tokenType: 'Bearer' };

describe('revokeToken', () => {
  test('sends one form with the token and the client’s authentication', async (t) => {
    const server = await startServer(t);
    const config = server.config({}, { oauthScopes: ['a'], oauthParams: { audience: 'b' } });
    assert.equal(await revokeToken(config, TOKEN), undefined);
    assert.equal(server.revocations.length, 1);
    const { method, headers, form } = server.revocations[0]!;
    assert.equal(method, 'POST');
    assert.equal(headers.authorization, `Basic ${btoa('invented-id:invented-secret')}`);
    assert.equal(form.get('token'), 'invented-token');
    assert.ok(!form.has('scope') && !form.has('audience'));
    assert.equal(server.tokenRequests.length, 0);
  });

  for (const answer of [{}, { status: 204 }, { body: {} }, { body: 'revoked' }] satisfies Answer[]) {
    test(`takes ${JSON.stringify(answer)} for a success`, async (t) => {
      const server = await startServer(t, { revoke: () => answer });
      await revokeToken(server.config(), TOKEN);
    });
  }

  test('lets clients that hold the token learn of it by their next 401', async (t) => {
    const server = await startServer(t);
    server.revoke = ({ form }) => {
      server.revoked.add(form.get('token')!);
      return {};
    };
    const config = server.config();
    const client = createClient(config);
    await client.authorizedFetch(`${server.origin}/x`);
    await revokeToken(config, await client.getToken());
    assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
    assert.deepEqual(
      server.apiRequests.map(({ headers }) => headers.authorization),
      ['Bearer token-1', 'Bearer token-1', 'Bearer token-2'],
    );
  });

  const FAILURES: [Answer, code: string][] = [
    [{ status: 400, body: { error: 'invalid_request' } }, 'oauth_error'],
    [{ status: 401, body: { fault: { code: '900902' } } }, 'gateway_fault'],
    [{ status: 502, headers: { 'content-type': 'text/html' }, body: '<html>' }, 'gateway_fault'],
    [{ status: 503 }, 'gateway_fault'],
    [{ status: 302, headers: { location: '/elsewhere' } }, 'gateway_fault'],
    [{ body: ' '.repeat(70_000) }, 'response_too_large'],
  ];
  for (const [answer, code] of FAILURES) {
    test(`fails with ${code} on ${answer.status ?? 200}, without a second request`, async (t) => {
      const server = await startServer(t, { revoke: () => answer });
      await assert.rejects(revokeToken(server.config(), TOKEN), (error: Error & { code?: string }) => {
        assert.equal(error.code, code);
        assert.equal(error instanceof OAuthProviderError, code === 'oauth_error');
        return true;
      });
      assert.equal(server.revocations.length, 1);
      assert.equal(server.apiRequests.length, 0);
    });
  }

  test('fails with network when the connection breaks', async (t) => {
    const server = await startServer(t, { revoke: (_, response) => void response.socket?.destroy() });
    await assert.rejects(revokeToken(server.config(), TOKEN), { code: 'network' });
    assert.equal(server.revocations.length, 1);
  });

  test('rejects with a TypeError, without a request, where there is no endpoint, no token or no configuration', async (t) => {
    const server = await startServer(t);
    await assert.rejects(
      revokeToken(server.config({}, {}, { revocationUrl: undefined }), TOKEN),
      (error: Error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, /revocationUrl/);
        return true;
      },
    );
    for (const junk of [undefined, null, 'invented-token', {}, { accessToken: 5 }]) {
      await assert.rejects(revokeToken(server.config(), junk as never), TypeError);
    }
    await assert.rejects(revokeToken({} as never, TOKEN), TypeError);
    assert.equal(server.revocations.length, 0);
  });

  test('fails with no_credentials where there is no secret', async (t) => {
    const server = await startServer(t);
    await assert.rejects(revokeToken(server.config({}, { oauthClientSecret: undefined }), TOKEN), {
      code: 'no_credentials',
    });
    assert.equal(server.revocations.length, 0);
  });

  test('asks no token provider and tells no event', async (t) => {
    const server = await startServer(t);
    const { events, onEvent } = recordEvents();
    const oauthTokenProvider = () => assert.fail('the provider was asked');
    await revokeToken(server.config({ onEvent }, { oauthTokenProvider }), TOKEN);
    assert.deepEqual(events, []);
  });
});
