/** The program that does what was picked last. With the mock where something is broken, which no real service allows. */
import type { OauthScope } from 'thingspace-auth';
import { OauthScopeEnum } from 'thingspace-auth';
import type { Api, Switches } from './simulation.ts';
import { REQUESTS } from './simulation.ts';

/** What was picked last. */
export type Picked = 'call' | 'burst' | 'fetchToken' | 'revoke' | 'lapse' | 'wrongPassword' | 'advance';

export interface Choice {
  readonly scopes: readonly OauthScope[];
  readonly api: Api;
  readonly switches: Readonly<Switches>;
  readonly picked: Picked;
  /** By how much the clock was moved, for `'advance'`. */
  readonly minutes: number;
}

export function codeFor(choice: Choice): string {
  const { api, switches, picked } = choice;
  const isMock = switches.isSlow || switches.isDown || !switches.isSame || !['call', 'burst', 'fetchToken'].includes(picked);
  const isM2m = api === 'm2m' || picked === 'wrongPassword' || picked === 'lapse';
  const call = callOf(isM2m ? 'm2m' : 'edge');
  const name = picked === 'fetchToken' ? 'fetchToken' : 'authorizedFetch';
  return [
    `import { createClient${choice.scopes.length ? ', OauthScopeEnum' : ''} } from 'thingspace-auth';`,
    ...(isM2m ? ["import { createSession } from 'thingspace-auth/session';"] : []),
    ...(isMock ? ["import { createMockServer } from 'thingspace-auth/testing';"] : []),
    '',
    ...(isMock ? [mockOf(choice)] : []),
    ...(switches.isDown ? ["mock.failNext('token', 503, Infinity);"] : []),
    `const { ${name} } = createClient({`,
    '  clientCredentialsAuthCredentials: {',
    '    oauthClientId: process.env.THINGSPACE_CLIENT_ID!,',
    '    oauthClientSecret: process.env.THINGSPACE_CLIENT_SECRET,',
    ...(choice.scopes.length ? [`    oauthScopes: [${choice.scopes.map(scopeName).join(', ')}],`] : []),
    '  },',
    ...(isM2m ? ['  vZM2mToken: createSession({ username: process.env.UWS_USERNAME!, password: process.env.UWS_PASSWORD! }),'] : []),
    ...(isMock ? ['  fetch: mock.fetch,'] : []),
    '});',
    '',
    ...bodyOf(choice, call),
    '',
  ].join('\n');
}

function scopeName(scope: OauthScope): string {
  return `OauthScopeEnum.${Object.entries(OauthScopeEnum).find(([, value]) => value === scope)![0]}`;
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

function bodyOf({ picked, minutes }: Choice, call: string): string[] {
  const show = ['const response = await call();', 'console.log(response.status, await response.json());'];
  const define = `const call = () => ${call};`;
  switch (picked) {
    case 'call':
      return [`const response = await ${call};`, show[1]!];
    case 'burst':
      return [define, 'const responses = await Promise.all(Array.from({ length: 100 }, call));', 'console.log(responses.length);'];
    case 'fetchToken':
      return ['const token = await fetchToken();', 'console.log(token.expiresIn, token.scope);'];
    case 'revoke':
      return [define, 'await call();', 'mock.revokeAll();', ...show];
    case 'lapse':
      return [define, 'await call();', 'mock.lapseSessions();', ...show];
    case 'advance':
      return [define, 'await call();', 'const now = Date.now;', `Date.now = () => now() + ${minutes} * 60_000;`, ...show];
    case 'wrongPassword':
      return [
        define,
        'for (let count = 0; count < 5; count++) await call().catch((error) => console.log(error.code));',
        "console.log(mock.requests.filter(({ path }) => path.endsWith('/login')).length, 'login');",
      ];
  }
}
