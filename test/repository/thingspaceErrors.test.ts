import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import { createMockServer } from 'thingspace-auth/testing';

const root = join(import.meta.dirname, '../../..');
const page = readFileSync(join(root, 'examples/thingspace-errors.md'), 'utf8');

test('the page of ThingSpace’s errors has every code that the source treats', () => {
  const source = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFileSync(join(root, 'src', path), 'utf8'))
    .join('');
  const codes = [...new Set(source.match(/(?<=')900\d{3}(?=')/g))];

  assert.ok(codes.length >= 5);
  for (const code of codes) assert.ok(page.includes(`\`${code}\``), code);
});

/** An answer for each row of the page's second table, in the row's own words. */
const rows = page
  .split('## M2M session')[1]!
  .split('\n')
  .filter((line) => /^\| (`|….)/.test(line))
  .map((line) => line.split('|')[1]!.trim());

test('the page has the words of a lapse', () => assert.equal(rows.length, 6));

for (const words of rows) {
  test(`a session that has ended in these words is replaced: ${words}`, async () => {
    const [, code, codeName, text, textName] =
      /^`…?\.?([^`]+)` in `(\w+)`(?:, with "([^"]+)" in `(\w+)`)?$/.exec(words)!;
    const value = /SessionToken/.test(code!) ? code!.replace(/^(?=REQUEST|INPUT)/, 'Invented.') : code;
    const mock = createMockServer();
    const { authorizedFetch } = createClient({
      clientCredentialsAuthCredentials: { oauthClientId: 'any-key', oauthClientSecret: 'any-secret' },
      vZM2mToken: createSession({ username: 'invented-user', password: 'invented-password' }),
      fetch: mock.fetch,
    });
    const body = { [codeName!]: value, ...(textName && { [textName]: `${text} (invented)` }) };
    mock.failNext('api', Response.json(body, { status: 400 }));

    const { status } = await authorizedFetch('https://thingspace.verizon.com/api/m2m/v1/accounts/any');

    assert.equal(status, 200);
    assert.equal(mock.requests.filter(({ path }) => path.endsWith('/login')).length, 2);
  });
}
