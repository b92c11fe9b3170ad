/** Node's print of an error that nobody catches: the message comes first, and no wall of source. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { startServer, type TestServer } from '../support/server.ts';

const root = join(import.meta.dirname, '../../..');

describe('an uncaught error', () => {
  const CASES: [label: string, prepare: (server: TestServer) => void, program: string, message: RegExp][] = [
    ['of the server', () => {}, 'await createClient(config).fetchToken();', /refused with invalid_client/],
    [
      'of a gateway',
      (server) =>
        void (server.token = () => ({
          status: 502,
          headers: { 'content-type': 'text/html' },
          body: '<html>',
        })),
      'await createClient(config).getToken();',
      /answered 502 text\/html/,
    ],
    [
      'of the network, with its cause',
      (server) => void (server.token = (_, response) => void response.destroy()),
      'await createClient(config).authorizedFetch(config.environment.apiOrigins[0]);',
      /No answer from/,
    ],
    [
      'after a 401',
      (server) => void (server.api = () => ({ status: 401 })),
      "const token = { accessToken: 'held-token', tokenType: 'Bearer' }; await createClient(config).withToken(token).authorizedFetch(config.environment.apiOrigins[0]);",
      /answered 401/,
    ],
    [
      'of a call outside',
      () => {},
      "await createClient(config).authorizedFetch('https://elsewhere.example.com/');",
      /No credentials for/,
    ],
    ['of the configuration', () => {}, 'createClient({ ...config, timeout: -1 });', /timeout must be/],
    [
      'of a provider',
      () => {},
      'config.clientCredentialsAuthCredentials.oauthTokenProvider = () => 5; await createClient(config).getToken();',
      /returned no usable token/,
    ],
    ['of a session', () => {}, "createSession({ username: '', password: '' });", /must be non-empty/],
    [
      'of a rejection that nobody handles',
      () => {},
      'void createClient(config).fetchToken();',
      /refused with/,
    ],
  ];
  for (const [label, prepare, program, message] of CASES) {
    test(`${label} prints its message first, readable frames, and little else`, async (t) => {
      const server = await startServer(t, {
        token: () => ({ status: 401, body: { error: 'invalid_client' } }),
      });
      prepare(server);
      const config = JSON.stringify(server.config({ retry: { attempts: 1 } }));
      const code = `
        import { createClient } from 'thingspace-auth';
        import { createSession } from 'thingspace-auth/session';
        const config = ${config};
        ${program}`;
      const printed = await stderrOf(code);
      const at = printed.search(message);
      t.diagnostic(`${printed.length} bytes, message at ${at}`);

      assert.ok(at >= 0, printed.slice(0, 2_000));
      assert.ok(at <= 700, `its message stands at ${at}: ${printed.slice(0, 1_000)}`);
      assert.ok(Buffer.byteLength(printed) <= 3_000, `${Buffer.byteLength(printed)} bytes`);
      assert.match(printed, /\n {4}at (async )?[\w.]+ \(.*core\.js:\d+:\d+\)|\n {4}at createSession /);
      assert.ok(Math.max(...printed.split('\n').map((line) => line.length)) <= 400);
    });
  }
});

/** What a program prints that ends with an error. */
function stderrOf(code: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      ['--input-type=module', '-e', code],
      { cwd: root },
      (error, _stdout, stderr) => {
        if (error?.code === 1) resolve(stderr);
        else reject(new Error(`it ended with ${String(error?.code)}: ${stderr}`));
      },
    );
  });
}
