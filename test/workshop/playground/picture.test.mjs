// The pictures are what the playground's code draws, and they say what the package does.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { drawPictures } from '../../../examples/playground/picture.mjs';

const root = join(import.meta.dirname, '../../..');
const load = (path) => import(pathToFileURL(join(root, 'dist', path)));
const { createClient } = await load('index.js');
const { createSession } = await load('session.js');
const { createMockServer } = await load('testing.js');
const URL_OF_M2M = 'https://thingspace.verizon.com/api/m2m/v1/devices/actions/list';

/** By picture: labels without which it would not show what it is for. */
const LABELS = {
  'one-call': ['POST token', '401', 'replay: new token'],
  'one-call-narrow': ['POST token', '401', 'replay: new token'],
  check: ['authorizedFetch ×100', 'GET regions ×100'],
  fleet: ['take the turn', 'taken', 'token from the store'],
  'fleet-narrow': ['take the turn', 'taken', 'token from the store'],
  origins: ['/token + secret', '/moved + token', '/new + token', '/new no token', 'TypeError'],
  'origins-narrow': ['/token + secret', '/moved + token', '/new + token', '/new no token', 'TypeError'],
  session: ['Accepted', 'Refused', 'No clear answer', 'Every 5 minutes'],
  entries: ['thingspace-auth', 'thingspace-auth/browser'],
};

const drawn = Object.entries(await drawPictures());

test('the pictures are those that the playground draws: node examples/playground/picture.mjs', () => {
  assert.deepEqual(
    drawn.map(([path]) => basename(path)),
    Object.keys(LABELS).flatMap((name) => [`${name}-light.svg`, `${name}-dark.svg`]),
  );
  for (const [path, picture] of drawn) {
    assert.equal(readFileSync(path, 'utf8'), picture, path);
    assert.ok(!picture.includes('undefined'), path);
    for (const label of LABELS[basename(path).replace(/-\w+\.svg$/, '')])
      assert.ok(picture.includes(`>${label}</text>`), `${path}: ${label}`);
  }
});

test('a fleet in the picture makes one token request, and a token never goes to another origin', () => {
  const [fleet, origins] = ['fleet-light.svg', 'origins-light.svg'].map((name) =>
    drawn.find(([path]) => basename(path) === name)[1].matchAll(/>([^<]+)<\/text>/g),
  );
  const labels = [...fleet].map(([, label]) => label);

  assert.equal(labels.filter((label) => label === 'POST token').length, 1);
  assert.equal(labels.filter((label) => label === 'GET regions').length, 3);
  assert.equal([...origins].filter(([, label]) => label === '/new no token').length, 1);
});

test('the picture of the entries names those of the package', () => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const [, picture] = drawn.find(([path]) => basename(path) === 'entries-light.svg');
  const named = [...picture.matchAll(/>(?:thingspace-auth)?(\/[\w/-]+|(?<=auth))<\/text>/g)].map(
    ([, path]) => `.${path}`,
  );

  // A program imports `testing/global` by its command line, not by choice of an entry.
  assert.deepEqual(
    named.sort(),
    Object.keys(exports)
      .filter((key) => key !== './testing/global')
      .sort(),
  );
});

test('a session does what its picture says', async (t) => {
  let nowMs = 1_800_000_000_000;
  t.mock.method(Date, 'now', () => nowMs);
  const world = (users) => {
    const mock = createMockServer(users && { users });
    const session = createSession({ username: 'invented-user', password: 'invented-password' });
    const { authorizedFetch } = createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-key',
        oauthClientSecret: 'invented-secret',
      },
      vZM2mToken: session,
      fetch: mock.fetch,
    });
    const call = () =>
      authorizedFetch(URL_OF_M2M, { method: 'POST' }).then(
        ({ status }) => status,
        ({ code }) => code,
      );
    const logins = () => mock.requests.filter(({ path }) => path.endsWith('/login')).length;
    return { mock, call, logins };
  };
  /** At which second a login is sent, if a call is made every ten of them. */
  const loginsWithin = async (minutes, { call, logins }) => {
    const seconds = [];
    let code;
    for (let second = 0; second < minutes * 60; second += 10, nowMs += 10_000) {
      const before = logins();
      code = await call();
      if (logins() > before) seconds.push(second);
    }
    return { seconds, code };
  };

  const refused = world({});
  assert.deepEqual(await loginsWithin(30, refused), { seconds: [0], code: 'session_refused' });

  const unproven = world();
  unproven.mock.failNext('login', 504, Infinity);
  const { seconds, code } = await loginsWithin(30, unproven);
  assert.deepEqual([seconds.length, code], [2, 'session_refused']);

  const proven = world();
  assert.equal(await proven.call(), 200);
  proven.mock.lapseSessions();
  proven.mock.failNext('login', 504, Infinity);
  const later = (await loginsWithin(30, proven)).seconds.slice(1);
  assert.ok(later.length >= 5, later.join());
  for (const [index, second] of later.entries()) if (index) assert.equal(second - later[index - 1], 300);
  proven.mock.failNext('login', 504, 0);
  nowMs += 300_000;
  assert.equal(await proven.call(), 200);
});
