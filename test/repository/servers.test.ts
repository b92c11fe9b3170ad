/**
 * The programs of examples/servers/README.md, each against a server that has the habit named there: as it
 * stands it works, and without the line that meets the habit it is refused.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { transform } from 'esbuild';
import { keysFor, readSigned } from '../support/keys.ts';
import { type Outcome, runProgram, startStandIn } from '../support/standIn.ts';

const root = join(import.meta.dirname, '../../..');
const folder = join(root, '.build/servers');
const page = readFileSync(join(root, 'examples/servers/README.md'), 'utf8');
const programs = new Map(
  [...page.matchAll(/^## ([^\n]+)\n(?:(?!## )[^\n]*\n)*?```ts\n(.*?)^```$/gms)].map(
    ([, name = '', code = '']) => [name, code],
  ),
);
const { privatePem, publicPem } = keysFor('ES256');

/** A secret that Basic writes in two ways: as it is, and form-encoded. */
const SECRET = 'invented+secret';

/** A request as a server reads it. */
interface Asked {
  readonly url: string;
  readonly headers: Headers;
  readonly form: URLSearchParams;
}

type Answer = readonly [status: number, body?: object];

interface Server {
  /** The addresses that give tokens, and that take them. */
  readonly tokenUrl: string;
  readonly apiUrl: string;
  readonly token: (asked: Asked) => Answer;
  /** Other addresses, such as those of metadata. */
  readonly other?: Readonly<Record<string, object>>;
  /** How many tokens the API refuses before it takes one. */
  readonly ended?: number;
  /** What is changed in the program, and what is then printed. */
  readonly change: readonly [from: string | RegExp, to: string];
  readonly refusal: RegExp;
}

const GRANTED: Answer = [200, { token_type: 'Bearer', expires_in: 3600 }];

function refuse(status: number, error: string, error_description: string): Answer {
  return [status, { error, error_description }];
}

/** Whether id and secret are in the form, and nowhere else. */
function isPost({ headers, form }: Asked): boolean {
  return form.get('client_secret') === SECRET && !headers.has('authorization');
}

/** What the Basic header says, without any decoding but base64. */
function basicOf({ headers }: Asked): string {
  return atob(headers.get('authorization')?.replace('Basic ', '') ?? '');
}

function audienceOf({ form }: Asked): unknown {
  return readSigned(form.get('client_assertion')!, publicPem).claims['aud'];
}

function metadataOf(issuer: string, token_endpoint: string): object {
  return { issuer, token_endpoint };
}

const ORDERS = 'https://api.example.com/orders';
const REALM = 'https://auth.example.com/realms/shop';
const METADATA = 'http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token';

const SERVERS: Readonly<Record<string, Server>> = {
  Auth0: {
    tokenUrl: 'https://example.eu.auth0.com/oauth/token',
    apiUrl: ORDERS,
    token: (asked) => {
      assert.ok(isPost(asked));
      return asked.form.has('audience') ? GRANTED : refuse(403, 'access_denied', 'No audience parameter');
    },
    change: [/ +oauthParams.*\n/, ''],
    refusal: /access_denied: No audience parameter/,
  },
  'Entra ID': {
    tokenUrl: 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000002/oauth2/v2.0/token',
    apiUrl: ORDERS,
    token: (asked) => {
      assert.ok(isPost(asked));
      return /^\S+\/\.default$/.test(asked.form.get('scope')!)
        ? GRANTED
        : refuse(400, 'invalid_scope', 'AADSTS1002012');
    },
    change: ['orders/.default', 'orders/read'],
    refusal: /invalid_scope .*AADSTS1002012/,
  },
  Okta: {
    tokenUrl: 'https://example.okta.com/oauth2/v1/token',
    apiUrl: 'https://example.okta.com/api/v1/users',
    other: {
      'https://example.okta.com/.well-known/oauth-authorization-server': metadataOf(
        'https://example.okta.com',
        'https://example.okta.com/oauth2/v1/token',
      ),
    },
    token: (asked) =>
      audienceOf(asked) === asked.url ? GRANTED : refuse(401, 'invalid_client', 'The audience is wrong'),
    change: [', audience: ({ tokenUrl }) => tokenUrl', ''],
    refusal: /invalid_client .*The audience is wrong/,
  },
  Keycloak: {
    tokenUrl: `${REALM}/protocol/openid-connect/token`,
    apiUrl: ORDERS,
    other: {
      [`${REALM}/.well-known/openid-configuration`]: metadataOf(
        REALM,
        `${REALM}/protocol/openid-connect/token`,
      ),
    },
    token: (asked) => (basicOf(asked) ? GRANTED : refuse(401, 'invalid_client', 'Invalid client')),
    change: ['/realms/shop', '/realms/shop/'],
    refusal: /is that of issuer "https:\/\/auth\.example\.com\/realms\/shop"/,
  },
  'Amazon Cognito': {
    tokenUrl: 'https://example.auth.eu-central-1.amazoncognito.com/oauth2/token',
    apiUrl: ORDERS,
    token: ({ form }) => (form.get('scope')!.includes('/') ? GRANTED : [400, { error: 'invalid_scope' }]),
    change: ['orders-api/read', 'read'],
    refusal: /invalid_scope/,
  },
  PingOne: {
    tokenUrl: 'https://auth.pingone.eu/00000000-0000-0000-0000-000000000002/as/token',
    apiUrl: ORDERS,
    token: (asked) =>
      isPost(asked) ? refuse(401, 'invalid_client', 'Unsupported authentication method') : GRANTED,
    change: [/clientSecretBasic/g, 'clientSecretPost'],
    refusal: /invalid_client .*Unsupported authentication method/,
  },
  Salesforce: {
    tokenUrl: 'https://example.my.salesforce.com/services/oauth2/token',
    apiUrl: 'https://example.my.salesforce.com/services/data/v62.0/limits',
    ended: 1,
    token: (asked) => {
      assert.ok(isPost(asked));
      return asked.url.includes('.my.')
        ? [200, { token_type: 'Bearer', issued_at: '1767225600000' }]
        : refuse(400, 'invalid_grant', 'request not supported on this domain');
    },
    change: ['example.my.salesforce.com/services/oauth2', 'login.salesforce.com/services/oauth2'],
    refusal: /invalid_grant: request not supported on this domain/,
  },
  eBay: {
    tokenUrl: 'https://api.ebay.com/identity/v1/oauth2/token',
    apiUrl: 'https://api.ebay.com/buy/browse/v1/item_summary/search?q=sensor',
    token: (asked) =>
      basicOf(asked) === `my-app-id:${SECRET}`
        ? [200, { token_type: 'Application Access Token', expires_in: 7200 }]
        : refuse(401, 'invalid_client', 'client authentication failed'),
    change: [/clientSecretBasicRaw/g, 'clientSecretBasic'],
    refusal: /invalid_client .*client authentication failed/,
  },
  'Google Cloud': {
    tokenUrl: METADATA,
    apiUrl: 'https://storage.googleapis.com/storage/v1/b/invented-bucket/o',
    token: ({ headers }) => (headers.get('metadata-flavor') === 'Google' ? GRANTED : [403]),
    change: ["'metadata-flavor': 'Google'", ''],
    refusal: /The metadata server answered 403/,
  },
  'FAPI 2.0': {
    tokenUrl: 'https://auth.example.com/token',
    apiUrl: ORDERS,
    other: {
      'https://auth.example.com/.well-known/oauth-authorization-server': metadataOf(
        'https://auth.example.com',
        'https://auth.example.com/token',
      ),
    },
    token: (asked) => {
      assert.ok(asked.headers.has('dpop'));
      return audienceOf(asked) === 'https://auth.example.com'
        ? [200, { token_type: 'DPoP', expires_in: 300 }]
        : refuse(401, 'invalid_client', 'The audience is wrong');
    },
    change: ["keyId: 'key-1'", "keyId: 'key-1', audience: ({ tokenUrl }) => tokenUrl"],
    refusal: /invalid_client .*The audience is wrong/,
  },
};

before(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'key.pem'), privatePem);
});

test('the table names each server that has a program, and each one has a habit here', () => {
  const rows = [...page.matchAll(/^\| \[(.+?)\]/gm)].map(([, name]) => name);
  assert.deepEqual(rows, [...programs.keys()]);
  assert.deepEqual(rows, Object.keys(SERVERS));
});

for (const [name, server] of Object.entries(SERVERS)) {
  test(`the program for ${name} works there`, async (t) => {
    const { asked, outcome } = await run(t, server, programs.get(name)!);

    assert.deepEqual(outcome, { stdout: '200\n', stderr: '', exitCode: 0 });
    const [tokens, calls] = [server.tokenUrl, server.apiUrl].map((url) =>
      asked.filter((each) => each === url),
    );
    const rounds = 1 + (server.ended ?? 0);
    assert.deepEqual([tokens!.length, calls!.length], [rounds, rounds]);
  });

  test(`without what ${name} wants, it is refused`, async (t) => {
    const program = programs.get(name)!;
    const changed = program.replace(...(server.change as [string, string]));
    assert.notEqual(changed, program);

    const { outcome } = await run(t, server, changed);

    assert.match(outcome.stderr, server.refusal);
    assert.doesNotMatch(outcome.stderr, /invented\+secret/);
    assert.equal(outcome.exitCode, 1);
  });
}

let runs = 0;

/** Runs a program; tells what it asked for, address by address. */
async function run(
  t: Parameters<typeof startStandIn>[0],
  server: Server,
  code: string,
): Promise<{ asked: string[]; outcome: Outcome }> {
  const asked: string[] = [];
  const fetch = async (input: RequestInfo | URL): Promise<Response> => {
    const { url: seen, headers, method } = input as Request;
    // The stand-in speaks for every scheme; only one address here is plain http.
    const url = seen.includes('metadata.google') ? seen.replace('https:', 'http:') : seen;
    asked.push(url);
    const form = new URLSearchParams(method === 'POST' ? await (input as Request).text() : '');
    const [status, body] = answerOf(server, { url, headers, form }, asked);
    return Response.json(body ?? {}, { status });
  };
  const program = join(folder, `program${++runs}.js`);
  writeFileSync(program, (await transform(code, { loader: 'ts', target: 'es2022' })).code);
  const standIn = await startStandIn(t, { fetch });
  return { asked, outcome: await runProgram(program, standIn, { CLIENT_SECRET: SECRET }, folder) };
}

function answerOf(server: Server, asked: Asked, all: readonly string[]): Answer {
  const { url, headers } = asked;
  const found = server.other?.[url];
  if (found) return [200, found];
  if (url === server.tokenUrl || /\/token$/.test(url)) {
    const answer = server.token(asked);
    // No two tokens are the same.
    return answer[0] === 200 ? [200, { ...answer[1], access_token: `invented-${all.length}` }] : answer;
  }
  if (url !== server.apiUrl) return [404];
  const isRefused = all.filter((each) => each === url).length <= (server.ended ?? 0);
  return /^(Bearer|DPoP) invented-\d+$/.test(headers.get('authorization') ?? '') && !isRefused
    ? [200]
    : [401];
}
