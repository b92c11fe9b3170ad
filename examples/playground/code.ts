/**
 * The program that does what was picked last. With the mock where something is broken, which no real service
 * allows.
 */
import { type OauthScope, OauthScopeEnum } from 'thingspace-auth';
import { type Api, REQUESTS, type Switches } from './simulation.ts';

/** What was picked last. */
export type Picked =
  | 'call'
  | 'burst'
  | 'fetchToken'
  | 'fleet'
  | 'revoke'
  | 'lapse'
  | 'wrongPassword'
  | 'rightPassword'
  | 'advance';

export interface Choice {
  readonly scopes: readonly OauthScope[];
  readonly api: Api;
  readonly switches: Readonly<Switches>;
  readonly picked: Picked;
  /** By how much the clock was moved, for `'advance'`. */
  readonly minutes: number;
}

/** Valid JavaScript and strict TypeScript, and runs without an account: it talks to the mock. */
export function codeFor(choice: Choice): string {
  const { api, picked } = choice;
  if (picked === 'fleet') return fleetCode(choice);
  const isM2m = api === 'm2m' || /Password$|^lapse$/.test(picked);
  const name = picked === 'fetchToken' ? 'fetchToken' : 'authorizedFetch';
  return [
    `import { createClient${choice.scopes.length ? ', OauthScopeEnum' : ''} } from 'thingspace-auth';`,
    ...(isM2m ? ["import { createSession } from 'thingspace-auth/session';"] : []),
    "import { createMockServer } from 'thingspace-auth/testing';",
    '',
    mockOf(choice),
    `const { ${name} } = createClient({`,
    '  clientCredentialsAuthCredentials: {',
    "    oauthClientId: 'your-key',",
    "    oauthClientSecret: 'your-secret',",
    ...(choice.scopes.length ? [`    oauthScopes: [${choice.scopes.map(scopeName).join(', ')}],`] : []),
    '  },',
    ...(isM2m ? ["  vZM2mToken: createSession({ username: 'your-user', password: 'your-password' }),"] : []),
    '  fetch: mock.fetch, // without this line: the real service',
    '});',
    '',
    ...bodyOf(choice, callOf(isM2m ? 'm2m' : 'edge')),
    '',
  ].join('\n');
}

/** Three clients stand for three processes; a real store is one that all of them reach. */
function fleetCode(choice: Choice): string {
  const scopes = choice.scopes.length
    ? [`      oauthScopes: [${choice.scopes.map(scopeName).join(', ')}],`]
    : [];
  return [
    `import { createClient${choice.scopes.length ? ', OauthScopeEnum' : ''} } from 'thingspace-auth';`,
    "import { storedToken } from 'thingspace-auth/stores';",
    "import { createMockServer } from 'thingspace-auth/testing';",
    '',
    mockOf(choice),
    ...(choice.switches.isStoreDown ? DOWN_STORE : SHARED_STORE),
    'const startProcess = () =>',
    '  createClient({',
    '    clientCredentialsAuthCredentials: {',
    "      oauthClientId: 'your-key',",
    "      oauthClientSecret: 'your-secret',",
    ...scopes,
    '      oauthTokenProvider,',
    '    },',
    '    fetch: mock.fetch, // without this line: the real service',
    '  });',
    '',
    `const call = () => startProcess().authorizedFetch('${REQUESTS.edge[0]}');`,
    ...(choice.switches.isDown ? [DOWN] : []),
    'const outcomes = await Promise.allSettled([call(), call(), call()]);',
    "const isToken = ({ path = '' }) => path.endsWith('/token');",
    "console.log(outcomes.filter(({ status }) => status === 'fulfilled').length, 'answered,', mock.requests.filter(isToken).length, 'token requests');",
    '',
  ].join('\n');
}

const SHARED_STORE = [
  'const values = new Map();',
  'const oauthTokenProvider = storedToken({',
  '  get: (key) => values.get(key),',
  '  set: (key, value) => values.set(key, value),',
  '  delete: (key) => values.delete(key),',
  '  compareAndSet: (key, expected, value) => {',
  '    if (values.get(key) !== expected) return false;',
  '    return value === undefined ? values.delete(key) || true : Boolean(values.set(key, value));',
  '  },',
  '});',
];

const DOWN_STORE = [
  'const fail = () => {',
  "  throw new Error('The store is down');",
  '};',
  'const oauthTokenProvider = storedToken({ get: fail, set: fail, delete: fail, compareAndSet: fail });',
];

const DOWN = "mock.failNext('token', 503, Infinity); // the token endpoint is down";

function scopeName(scope: OauthScope): string {
  const [name] = Object.entries(OauthScopeEnum).find(([, value]) => value === scope) ?? [];
  return `OauthScopeEnum.${name}`;
}

function mockOf({ switches, picked }: Choice): string {
  const options = [
    ...(switches.isSlow ? ['latencyMs: 2000'] : []),
    ...(switches.isSame ? [] : ['sameToken: false']),
    ...(picked === 'wrongPassword' ? ['users: {}'] : []),
  ];
  const comment = picked === 'wrongPassword' ? ' // every login is refused' : '';
  return `const mock = createMockServer(${options.length ? `{ ${options.join(', ')} }` : ''});${comment}`;
}

function callOf(api: Api): string {
  const [url, init] = REQUESTS[api];
  if (!init) return `authorizedFetch('${url}')`;
  return [
    `authorizedFetch('${url}', {`,
    "  method: 'POST',",
    "  headers: { 'content-type': 'application/json' },",
    "  body: JSON.stringify({ accountName: '0000123456-00001' }),",
    '})',
  ].join('\n');
}

function bodyOf({ picked, minutes, switches }: Choice, call: string): string[] {
  const define = `const call = () => ${call};`;
  const goDown = switches.isDown ? [DOWN] : [];
  const show = switches.isDown
    ? [...goDown, 'console.log(await call().then(({ status }) => status, (error) => error.code));']
    : ['const response = await call();', 'console.log(response.status, await response.json());'];
  switch (picked) {
    case 'call':
    case 'rightPassword':
    case 'fleet':
      return [define, ...show];
    case 'burst':
      return [
        define,
        ...goDown,
        'const outcomes = await Promise.allSettled(Array.from({ length: 100 }, call));',
        "console.log(outcomes.filter(({ status }) => status === 'fulfilled').length, 'answered,', mock.requests.length, 'requests in all');",
      ];
    case 'fetchToken':
      return [
        ...goDown,
        'console.log(await fetchToken().then(({ expiresIn }) => expiresIn, (error) => error.code));',
      ];
    case 'revoke':
      return [define, 'await call();', 'mock.revokeAll();', ...show];
    case 'lapse':
      return [define, 'await call();', 'mock.lapseSessions();', ...show];
    case 'advance':
      return [
        define,
        'await call();',
        'const now = Date.now;',
        `Date.now = () => now() + ${minutes} * 60_000;`,
        ...show,
      ];
    case 'wrongPassword':
      return [
        define,
        'for (let count = 0; count < 5; count++) await call().catch((error) => console.log(error.code));',
        "console.log(mock.requests.filter(({ path }) => path.endsWith('/login')).length, 'login');",
      ];
  }
}
