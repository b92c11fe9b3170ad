/**
 * The output of `check` by situation: the lines for people, and for programs the same with its fields. The
 * table is the test. `ORIGIN` stands for the server, `N` for a time.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ACCOUNT,
  MOCK_NOTICE,
  preloading,
  type Run,
  rejecting,
  runCommand,
  type Setting,
  withDate,
  withHeaders,
} from '../support/runCommand.ts';

interface Situation extends Setting {
  readonly args?: readonly string[];
  /** The lines. */
  readonly printed: string;
  /** By step, the fields for programs that are not the usual ones. */
  readonly fields?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const SET = ['API_ORIGINS', 'CLIENT_ID', 'CLIENT_SECRET', 'TOKEN_URL'].map((name) => `THINGSPACE_${name}`);
const TOKEN_URL = 'ORIGIN/api/ts/v1/oauth2/token';
const NOBODY = { THINGSPACE_TOKEN_URL: 'http://127.0.0.1:65535/token' };
const html = () => new Response('<html>Sign in', { headers: { 'content-type': 'text/html' } });

/** What each step has for programs, if all is well. */
const USUAL: Readonly<Record<string, object>> = {
  variables: { set: SET },
  endpoint: { url: TOKEN_URL, status: 200, durationMs: 'N' },
  clock: { offsetSeconds: 0 },
  token: { expiresIn: 3600, asked: [] },
  notice: {},
  login: { durationMs: 'N' },
  call: { url: 'ORIGIN/api', status: 200, durationMs: 'N' },
};

/** The lines for people, if all is well. */
const VARIABLES = `ok    variables  set: ${SET.join(', ')}\n`;
const ENDPOINT = `ok    endpoint   ${TOKEN_URL} answered 200 in N ms\n`;
const CLOCK = "ok    clock      this machine's clock is within a second of the server's\n";
const MOCK = `warn             ${MOCK_NOTICE}`;
const TOKEN = `ok    token      granted for 3600 s; scopes granted: not said; asked for: none\n${MOCK}`;

const SITUATIONS: Readonly<Record<string, Situation>> = {
  'all is well': {
    args: ['{origin}/api/mec/eds/regions?key=1'],
    printed: `${VARIABLES}${ENDPOINT}${CLOCK}${TOKEN}ok    call       GET ORIGIN/api/mec/eds/regions answered 200 in N ms
`,
    fields: { call: { url: 'ORIGIN/api/mec/eds/regions', status: 200, durationMs: 'N' } },
  },
  'nothing set': {
    env: {
      THINGSPACE_CLIENT_ID: '',
      THINGSPACE_CLIENT_SECRET: '',
      THINGSPACE_TOKEN_URL: '',
      THINGSPACE_API_ORIGINS: '',
    },
    printed: `FAIL  variables  THINGSPACE_CLIENT_ID and THINGSPACE_CLIENT_SECRET must be set; set: none
      next:      Set them in the environment, or in a file for --env.
`,
    fields: { variables: { set: [] } },
  },
  'no secret': {
    env: { THINGSPACE_CLIENT_SECRET: '' },
    printed: `FAIL  variables  THINGSPACE_CLIENT_SECRET must be set; set: THINGSPACE_API_ORIGINS, THINGSPACE_CLIENT_ID, THINGSPACE_TOKEN_URL
      next:      Set it in the environment, or in a file for --env.
`,
    fields: {
      variables: { set: ['THINGSPACE_API_ORIGINS', 'THINGSPACE_CLIENT_ID', 'THINGSPACE_TOKEN_URL'] },
    },
  },
  'half a server': {
    env: { THINGSPACE_API_ORIGINS: '' },
    printed: `FAIL  variables  THINGSPACE_TOKEN_URL and THINGSPACE_API_ORIGINS must be set together, and without THINGSPACE_ENVIRONMENT; set: THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_TOKEN_URL
      next:      Set or correct the variable: npx thingspace-auth --help lists all.
`,
    fields: {
      variables: { set: ['THINGSPACE_CLIENT_ID', 'THINGSPACE_CLIENT_SECRET', 'THINGSPACE_TOKEN_URL'] },
    },
  },
  'a token URL with http': {
    env: { THINGSPACE_TOKEN_URL: 'http://auth.example.com/token' },
    printed: `FAIL  variables  THINGSPACE_TOKEN_URL must be a URL like https://auth.example.com/token; set: THINGSPACE_API_ORIGINS, THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_TOKEN_URL
      next:      Set or correct the variable: npx thingspace-auth --help lists all.
`,
  },
  'a misspelt variable': {
    env: { THINGSPACE_SCOPE: 'discovery:read', THINGSPACE_PASSWORT: 'invented' },
    printed: `${VARIABLES}warn             nothing reads THINGSPACE_PASSWORT; did you mean THINGSPACE_PASSWORD?
warn             nothing reads THINGSPACE_SCOPE; did you mean THINGSPACE_SCOPES?
${ENDPOINT}${CLOCK}${TOKEN}`,
  },
  'a URL of another origin': {
    args: ['https://api.example.com/orders?key=1'],
    printed: `${VARIABLES}FAIL  call       No credentials for https://api.example.com: environment.apiOrigins allows ORIGIN
      next:      Call a URL of this environment, or change it: THINGSPACE_ENVIRONMENT, or THINGSPACE_TOKEN_URL and THINGSPACE_API_ORIGINS.
`,
    fields: { call: { url: 'https://api.example.com/orders' } },
  },
  'no password for the login': {
    args: ['--login'],
    printed: `FAIL  variables  THINGSPACE_USERNAME and THINGSPACE_PASSWORD must be set; set: THINGSPACE_API_ORIGINS, THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_TOKEN_URL
      next:      Set them in the environment, or in a file for --env.
`,
  },
  'a wrong secret': {
    env: { THINGSPACE_CLIENT_SECRET: 'another invented secret' },
    printed: `${VARIABLES}ok    endpoint   ORIGIN/api/ts/v1/oauth2/token answered 401 in N ms
${CLOCK}FAIL  token      ORIGIN/api/ts/v1/oauth2/token refused with invalid_client: Client authentication failed.
      next:      Check THINGSPACE_CLIENT_ID and THINGSPACE_CLIENT_SECRET, and that they belong to this environment (a staging key is refused in production).
`,
    fields: { endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', status: 401, durationMs: 'N' }, token: {} },
  },
  'a scope that is refused': {
    mock: { scopes: ['discovery:read'] },
    env: { THINGSPACE_SCOPES: 'serviceprofile:read' },
    printed: `ok    variables  set: THINGSPACE_API_ORIGINS, THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_SCOPES, THINGSPACE_TOKEN_URL
ok    endpoint   ORIGIN/api/ts/v1/oauth2/token answered 400 in N ms
${CLOCK}FAIL  token      ORIGIN/api/ts/v1/oauth2/token refused with invalid_scope: Not granted.
      next:      Ask only for scopes that the application was granted: THINGSPACE_SCOPES.
`,
    fields: {
      variables: {
        set: [
          'THINGSPACE_API_ORIGINS',
          'THINGSPACE_CLIENT_ID',
          'THINGSPACE_CLIENT_SECRET',
          'THINGSPACE_SCOPES',
          'THINGSPACE_TOKEN_URL',
        ],
      },
      endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', status: 400, durationMs: 'N' },
      token: {},
    },
  },
  'a scope that is left out': {
    mock: { tokenResponse: (body) => ({ ...body, scope: 'a d' }) },
    env: { THINGSPACE_SCOPES: 'a b c' },
    printed: `ok    variables  set: THINGSPACE_API_ORIGINS, THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_SCOPES, THINGSPACE_TOKEN_URL
${ENDPOINT}${CLOCK}FAIL  token      granted for 3600 s; scopes granted: a d; asked for: a b c
${MOCK}      next:      Have the application granted b and c, or leave it out of THINGSPACE_SCOPES.
`,
    fields: {
      variables: {
        set: [
          'THINGSPACE_API_ORIGINS',
          'THINGSPACE_CLIENT_ID',
          'THINGSPACE_CLIENT_SECRET',
          'THINGSPACE_SCOPES',
          'THINGSPACE_TOKEN_URL',
        ],
      },
      token: { expiresIn: 3600, granted: ['a', 'd'], asked: ['a', 'b', 'c'] },
    },
  },
  'another refusal': {
    script: ({ failNext }) =>
      failNext('token', Response.json({ error: 'unauthorized_client' }, { status: 400 })),
    printed: `${VARIABLES}ok    endpoint   ORIGIN/api/ts/v1/oauth2/token answered 400 in N ms
${CLOCK}FAIL  token      ORIGIN/api/ts/v1/oauth2/token refused with unauthorized_client
      next:      Ask whoever runs the server what "unauthorized_client" means for this key.
`,
    fields: { endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', status: 400, durationMs: 'N' }, token: {} },
  },
  'a token without a known end': {
    mock: { tokenResponse: ({ access_token }) => ({ access_token }) },
    printed: `${VARIABLES}${ENDPOINT}${CLOCK}ok    token      granted without a known end; scopes granted: not said; asked for: none
${MOCK}`,
    fields: { token: { asked: [] } },
  },
  'a proxy and a gateway in between': {
    answer: async (_, next) => withHeaders(await next(), { via: '1.1 gateway.example', server: 'invented' }),
    printed: `${VARIABLES}ok    endpoint   ORIGIN/api/ts/v1/oauth2/token answered 200 in N ms (server: invented; through a proxy: 1.1 gateway.example)
${CLOCK}${TOKEN}`,
    fields: {
      endpoint: {
        url: 'ORIGIN/api/ts/v1/oauth2/token',
        status: 200,
        durationMs: 'N',
        server: 'invented',
        via: '1.1 gateway.example',
      },
    },
  },
  'a host that does not exist': {
    env: rejecting('getaddrinfo ENOTFOUND auth.example.com', 'ENOTFOUND'),
    printed: `${VARIABLES}FAIL  endpoint   No answer from ORIGIN/api/ts/v1/oauth2/token: getaddrinfo ENOTFOUND auth.example.com
      next:      Check host, DNS and firewall. Behind a proxy, set HTTPS_PROXY; Node also wants NODE_USE_ENV_PROXY=1, from 22.21 and 24.5 on.
`,
    fields: { endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', durationMs: 'N' } },
  },
  'nobody at that port': {
    env: NOBODY,
    printed: `${VARIABLES}FAIL  endpoint   No answer from http://127.0.0.1:65535/token: connect ECONNREFUSED 127.0.0.1:65535
      next:      Nothing listens there: check host and port. Behind a proxy, set HTTPS_PROXY; Node also wants NODE_USE_ENV_PROXY=1, from 22.21 and 24.5 on.
`,
    fields: { endpoint: { url: 'http://127.0.0.1:65535/token', durationMs: 'N' } },
  },
  'nobody at that port, and a proxy that is not used': {
    env: { ...NOBODY, HTTPS_PROXY: 'http://invented-user:invented-password@127.0.0.1:65535' },
    printed: `${VARIABLES}FAIL  endpoint   No answer from http://127.0.0.1:65535/token: connect ECONNREFUSED 127.0.0.1:65535
      next:      Nothing listens there: check host and port. HTTPS_PROXY is set, but Node uses it only with NODE_USE_ENV_PROXY=1, from 22.21 and 24.5 on.
`,
    fields: { endpoint: { url: 'http://127.0.0.1:65535/token', durationMs: 'N' } },
  },
  'nobody at that port, and a proxy that is used': {
    env: { ...NOBODY, HTTPS_PROXY: 'http://127.0.0.1:65535', NODE_USE_ENV_PROXY: '1' },
    printed: `${VARIABLES}FAIL  endpoint   No answer from http://127.0.0.1:65535/token: connect ECONNREFUSED 127.0.0.1:65535
      next:      Nothing listens there: check host and port. HTTPS_PROXY is set.
`,
    fields: { endpoint: { url: 'http://127.0.0.1:65535/token', durationMs: 'N' } },
  },
  'a port of another protocol': {
    env: { THINGSPACE_TOKEN_URL: 'http://127.0.0.1:6000/token' },
    printed: `${VARIABLES}FAIL  endpoint   No answer from http://127.0.0.1:6000/token: bad port
      next:      fetch never asks this port, which belongs to another protocol: check the port in the URL.
`,
    fields: { endpoint: { url: 'http://127.0.0.1:6000/token', durationMs: 'N' } },
  },
  'https spoken to a plain port': {
    env: { THINGSPACE_TOKEN_URL: '{https origin}/token' },
    printed: `${VARIABLES}FAIL  endpoint   No answer from HTTPS-ORIGIN/token: wrong version number (ERR_SSL_WRONG_VERSION_NUMBER)
      next:      This port does not speak TLS: use the port for https. Plain http:// is allowed for this machine only.
`,
    fields: { endpoint: { url: 'HTTPS-ORIGIN/token', durationMs: 'N' } },
  },
  'https spoken to a plain port, as Bun says it': {
    env: rejecting('The TLS handshake failed. Does the server speak TLS on this port?', 'EPROTO'),
    printed: `${VARIABLES}FAIL  endpoint   No answer from ORIGIN/api/ts/v1/oauth2/token: The TLS handshake failed. Does the server speak TLS on this port? (EPROTO)
      next:      This port does not speak TLS: use the port for https. Plain http:// is allowed for this machine only.
`,
    fields: { endpoint: { url: TOKEN_URL, durationMs: 'N' } },
  },
  'nobody at that port, as Deno says it': {
    env: rejecting(
      'error sending request for url (https://auth.example.com/token): client error (Connect): Connection refused (os error 111)',
      '',
    ),
    printed: `${VARIABLES}FAIL  endpoint   No answer from ORIGIN/api/ts/v1/oauth2/token: client error (Connect): Connection refused (os error 111)
      next:      Nothing listens there: check host and port. Behind a proxy, set HTTPS_PROXY; Node also wants NODE_USE_ENV_PROXY=1, from 22.21 and 24.5 on.
`,
    fields: { endpoint: { url: TOKEN_URL, durationMs: 'N' } },
  },
  'nobody at any address of a host': {
    env: preloading(`
      const reasons = ['::1', '127.0.0.1'].map((address) => new Error('connect ECONNREFUSED ' + address + ':443'));
      const cause = Object.assign(new AggregateError(reasons), { code: 'ECONNREFUSED' });
      globalThis.fetch = async () => { throw new TypeError('fetch failed', { cause }); };`),
    printed: `${VARIABLES}FAIL  endpoint   No answer from ORIGIN/api/ts/v1/oauth2/token: connect ECONNREFUSED ::1:443
      next:      Nothing listens there: check host and port. Behind a proxy, set HTTPS_PROXY; Node also wants NODE_USE_ENV_PROXY=1, from 22.21 and 24.5 on.
`,
    fields: { endpoint: { url: TOKEN_URL, durationMs: 'N' } },
  },
  'an authority that is not trusted': {
    env: rejecting('self-signed certificate in certificate chain', 'SELF_SIGNED_CERT_IN_CHAIN'),
    printed: `${VARIABLES}FAIL  endpoint   No answer from ORIGIN/api/ts/v1/oauth2/token: self-signed certificate in certificate chain (SELF_SIGNED_CERT_IN_CHAIN)
      next:      Make the platform trust your company's certificate authority: NODE_EXTRA_CA_CERTS (Node, Bun), DENO_CERT (Deno).
`,
    fields: { endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', durationMs: 'N' } },
  },
  'a certificate that has expired': {
    env: rejecting('certificate has expired', 'CERT_HAS_EXPIRED'),
    printed: `${VARIABLES}FAIL  endpoint   No answer from ORIGIN/api/ts/v1/oauth2/token: certificate has expired (CERT_HAS_EXPIRED)
      next:      Check this machine's clock, then the server's certificate.
`,
    fields: { endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', durationMs: 'N' } },
  },
  "another host's certificate": {
    env: rejecting(
      "Hostname/IP does not match certificate's altnames: Host: auth.example.com. is not in the cert's altnames: DNS:evil\nok    token",
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ),
    printed: `${VARIABLES}FAIL  endpoint   No answer from ORIGIN/api/ts/v1/oauth2/token: Hostname/IP does not match certificate's altnames: Host: auth.example.com. is not in the cert's altnames: DNS:evil\\u{a}ok    token (ERR_TLS_CERT_ALTNAME_INVALID)
      next:      The certificate belongs to another host: check the host in the URL, and whether a proxy answers for it.
`,
    fields: { endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', durationMs: 'N' } },
  },
  'a connection that is reset': {
    env: rejecting('read ECONNRESET', 'ECONNRESET'),
    printed: `${VARIABLES}FAIL  endpoint   No answer from ORIGIN/api/ts/v1/oauth2/token: read ECONNRESET
      next:      Something closed the connection: try again. If that does not help, look for a firewall or proxy that blocks this host.
`,
    fields: { endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', durationMs: 'N' } },
  },
  'a network that is not allowed': {
    env: rejecting(
      'connect ERR_ACCESS_DENIED Access to this API has been restricted. Use --allow-net to manage permissions.',
      'ERR_ACCESS_DENIED',
    ),
    printed: `${VARIABLES}FAIL  endpoint   No answer from ORIGIN/api/ts/v1/oauth2/token: connect ERR_ACCESS_DENIED Access to this API has been restricted. Use --allow-net to manage permissions.
      next:      Allow the runtime to use the network: --allow-net.
`,
    fields: { endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', durationMs: 'N' } },
  },
  "a proxy's page": {
    script: ({ failNext }) => failNext('token', html()),
    printed: `${VARIABLES}FAIL  endpoint   ORIGIN/api/ts/v1/oauth2/token answered 200 text/html: no usable Bearer token, perhaps from a proxy (N ms)
      next:      Something other than the token endpoint answered: check its URL (THINGSPACE_ENVIRONMENT, THINGSPACE_TOKEN_URL) and the proxy.
${CLOCK}`,
  },
  "a proxy's 407": {
    script: ({ failNext }) => failNext('token', new Response('<html>', { status: 407 })),
    printed: `${VARIABLES}FAIL  endpoint   No answer from ORIGIN/api/ts/v1/oauth2/token: fetch failed
      next:      A proxy asks for a user name and password (407): put them in front of the host in the URL of HTTPS_PROXY.
`,
    fields: { endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', durationMs: 'N' } },
  },
  "a proxy's 407 that the platform shows": {
    env: preloading("globalThis.fetch = async () => new Response('<html>', { status: 407 });"),
    printed: `${VARIABLES}FAIL  endpoint   ORIGIN/api/ts/v1/oauth2/token answered 407 text/plain;charset=UTF-8: not from the OAuth server (N ms)
      next:      A proxy asks for a user name and password (407): put them in front of the host in the URL of HTTPS_PROXY.
`,
    fields: { endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', status: 407, durationMs: 'N' } },
  },
  'a redirect': {
    script: ({ failNext }) =>
      failNext(
        'token',
        new Response(null, {
          status: 302,
          headers: { location: 'https://user:word@login.example.com/sign-in?next=1' },
        }),
      ),
    printed: `${VARIABLES}FAIL  endpoint   ORIGIN/api/ts/v1/oauth2/token answered 302: not from the OAuth server (N ms; redirects to: https://login.example.com)
      next:      A redirect of the token endpoint is never followed: name the endpoint itself in THINGSPACE_TOKEN_URL, or sign in where it leads.
${CLOCK}`,
    fields: {
      endpoint: {
        url: 'ORIGIN/api/ts/v1/oauth2/token',
        status: 302,
        durationMs: 'N',
        redirectsTo: 'https://login.example.com',
      },
    },
  },
  throttled: {
    script: ({ failNext }) =>
      failNext('token', new Response('slow down', { status: 429, headers: { 'retry-after': '30' } })),
    printed: `${VARIABLES}FAIL  endpoint   ORIGIN/api/ts/v1/oauth2/token answered 429 text/plain;charset=UTF-8 (Retry-After: 30) (N ms)
      next:      The server throttles or is unavailable: wait 30 s, then try again.
${CLOCK}`,
    fields: {
      endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', status: 429, durationMs: 'N', retryAfter: '30' },
    },
  },
  'throttled by the OAuth server': {
    script: ({ failNext }) =>
      failNext('token', Response.json({ error: 'temporarily_unavailable' }, { status: 503 })),
    printed: `${VARIABLES}ok    endpoint   ORIGIN/api/ts/v1/oauth2/token answered 503 in N ms
${CLOCK}FAIL  token      ORIGIN/api/ts/v1/oauth2/token refused with temporarily_unavailable
      next:      The server throttles or is unavailable: wait, then try again.
`,
    fields: { endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', status: 503, durationMs: 'N' }, token: {} },
  },
  'out of order': {
    script: ({ failNext }) => failNext('token', 503),
    printed: `${VARIABLES}FAIL  endpoint   ORIGIN/api/ts/v1/oauth2/token answered 503 text/html (N ms)
      next:      The server throttles or is unavailable: wait, then try again.
${CLOCK}`,
    fields: { endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', status: 503, durationMs: 'N' } },
  },
  'no answer in time': {
    env: { THINGSPACE_TIMEOUT: '100' },
    answer: () => new Promise(() => {}),
    printed: `ok    variables  set: THINGSPACE_API_ORIGINS, THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_TIMEOUT, THINGSPACE_TOKEN_URL
FAIL  endpoint   N ms were not enough for ORIGIN/api/ts/v1/oauth2/token
      next:      Check the network, or raise THINGSPACE_TIMEOUT (milliseconds).
`,
    fields: {
      variables: {
        set: [
          'THINGSPACE_API_ORIGINS',
          'THINGSPACE_CLIENT_ID',
          'THINGSPACE_CLIENT_SECRET',
          'THINGSPACE_TIMEOUT',
          'THINGSPACE_TOKEN_URL',
        ],
      },
      endpoint: { url: 'ORIGIN/api/ts/v1/oauth2/token', durationMs: 'N' },
    },
  },
  'a clock that is behind': {
    answer: async (_, next) => withDate(await next(), Date.now() + 600_000),
    printed: `${VARIABLES}${ENDPOINT}FAIL  clock      this machine's clock is 600 s behind the server's
      next:      Set this machine's clock (NTP). Tokens work without it, but certificates, signed assertions and shared stores do not.
${TOKEN}`,
    fields: { clock: { offsetSeconds: -600 } },
  },
  'a hostile server': {
    answer: async () =>
      Response.json(
        {
          error: 'invented\u001b[2J',
          error_description: 'x\nok    token      granted for 3600 s\u202e invented secret',
        },
        {
          status: 400,
          headers: {
            server: `invented+secret ${Buffer.from('invented-key:invented+secret').toString('base64')} http://user:word@proxy`,
          },
        },
      ),
    printed: `${VARIABLES}ok    endpoint   ORIGIN/api/ts/v1/oauth2/token answered 400 in N ms (server: *** *** http://***@proxy)
${CLOCK}FAIL  token      ORIGIN/api/ts/v1/oauth2/token refused with invented%1B[2J: x%0Aok    token      granted for 3600 s%E2%80%AE ***
      next:      Ask whoever runs the server what "invented%1B[2J" means for this key.
`,
    fields: {
      endpoint: {
        url: 'ORIGIN/api/ts/v1/oauth2/token',
        status: 400,
        durationMs: 'N',
        server: '*** *** http://***@proxy',
      },
      token: {},
    },
  },
  'a server that grants hostile scopes': {
    mock: { tokenResponse: (body) => ({ ...body, scope: 'a\u001b[2J\nok invented' }) },
    printed: `${VARIABLES}${ENDPOINT}${CLOCK}ok    token      granted for 3600 s; scopes granted: a\\u{1b}[2J\\u{a}ok invented; asked for: none
${MOCK}`,
    fields: { token: { expiresIn: 3600, granted: ['a\\u{1b}[2J\\u{a}ok', 'invented'], asked: [] } },
  },
  'a server that says the secrets again': {
    answer: async (_, next) => {
      const body = (await (await next()).json()) as { access_token: string };
      return Response.json(body, {
        headers: { server: body.access_token, via: 'invented secret, invented%20secret' },
      });
    },
    printed: `${VARIABLES}ok    endpoint   ORIGIN/api/ts/v1/oauth2/token answered 200 in N ms (server: ***; through a proxy: ***, ***)
${CLOCK}${TOKEN}`,
    fields: {
      endpoint: {
        url: 'ORIGIN/api/ts/v1/oauth2/token',
        status: 200,
        durationMs: 'N',
        server: '***',
        via: '***, ***',
      },
    },
  },
  'a login': {
    args: ['--login', '{origin}/api/m2m/v1/accounts'],
    env: ACCOUNT,
    printed: `ok    variables  set: THINGSPACE_API_ORIGINS, THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_PASSWORD, THINGSPACE_TOKEN_URL, THINGSPACE_USERNAME
${ENDPOINT}${CLOCK}${TOKEN}ok    notice     one M2M login follows; if it fails it counts, and five in a row lock the account
ok    login      the M2M login brought a session in N ms
ok    call       GET ORIGIN/api/m2m/v1/accounts answered 200 in N ms
`,
    fields: {
      variables: {
        set: [
          'THINGSPACE_API_ORIGINS',
          'THINGSPACE_CLIENT_ID',
          'THINGSPACE_CLIENT_SECRET',
          'THINGSPACE_PASSWORD',
          'THINGSPACE_TOKEN_URL',
          'THINGSPACE_USERNAME',
        ],
      },
      call: { url: 'ORIGIN/api/m2m/v1/accounts', status: 200, durationMs: 'N' },
    },
  },
  'a login that is refused': {
    args: ['--login'],
    env: ACCOUNT,
    mock: { users: { 'invented-user': 'right' } },
    printed: `ok    variables  set: THINGSPACE_API_ORIGINS, THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_PASSWORD, THINGSPACE_TOKEN_URL, THINGSPACE_USERNAME
${ENDPOINT}${CLOCK}${TOKEN}ok    notice     one M2M login follows; if it fails it counts, and five in a row lock the account
FAIL  login      ORIGIN/api/m2m/v1/session/login refused the user name and password (401)
      next:      Check THINGSPACE_USERNAME and THINGSPACE_PASSWORD before you try again: five failed logins in a row lock the account.
`,
    fields: {
      variables: {
        set: [
          'THINGSPACE_API_ORIGINS',
          'THINGSPACE_CLIENT_ID',
          'THINGSPACE_CLIENT_SECRET',
          'THINGSPACE_PASSWORD',
          'THINGSPACE_TOKEN_URL',
          'THINGSPACE_USERNAME',
        ],
      },
      login: {},
    },
  },
  'a login that fails for now': {
    args: ['--login'],
    env: ACCOUNT,
    script: ({ failNext }) => failNext('login', 503),
    printed: `ok    variables  set: THINGSPACE_API_ORIGINS, THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_PASSWORD, THINGSPACE_TOKEN_URL, THINGSPACE_USERNAME
${ENDPOINT}${CLOCK}${TOKEN}ok    notice     one M2M login follows; if it fails it counts, and five in a row lock the account
FAIL  login      M2M session: ORIGIN/api/m2m/v1/session/login answered 503; next login: TIME
      next:      The server throttles or is unavailable: wait, then try again.
`,
    fields: {
      variables: {
        set: [
          'THINGSPACE_API_ORIGINS',
          'THINGSPACE_CLIENT_ID',
          'THINGSPACE_CLIENT_SECRET',
          'THINGSPACE_PASSWORD',
          'THINGSPACE_TOKEN_URL',
          'THINGSPACE_USERNAME',
        ],
      },
      login: {},
    },
  },
  'a login without a session': {
    args: ['--login'],
    env: ACCOUNT,
    script: ({ failNext }) => failNext('login', Response.json({})),
    printed: `ok    variables  set: THINGSPACE_API_ORIGINS, THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_PASSWORD, THINGSPACE_TOKEN_URL, THINGSPACE_USERNAME
${ENDPOINT}${CLOCK}${TOKEN}ok    notice     one M2M login follows; if it fails it counts, and five in a row lock the account
FAIL  login      M2M session: ORIGIN/api/m2m/v1/session/login answered 200; next login: TIME
      next:      Wait, then try again.
`,
    fields: {
      variables: {
        set: [
          'THINGSPACE_API_ORIGINS',
          'THINGSPACE_CLIENT_ID',
          'THINGSPACE_CLIENT_SECRET',
          'THINGSPACE_PASSWORD',
          'THINGSPACE_TOKEN_URL',
          'THINGSPACE_USERNAME',
        ],
      },
      login: {},
    },
  },
  'a login at a URL without sessions': {
    args: ['--login'],
    env: ACCOUNT,
    script: ({ failNext }) => failNext('login', 404),
    printed: `ok    variables  set: THINGSPACE_API_ORIGINS, THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_PASSWORD, THINGSPACE_TOKEN_URL, THINGSPACE_USERNAME
${ENDPOINT}${CLOCK}${TOKEN}ok    notice     one M2M login follows; if it fails it counts, and five in a row lock the account
FAIL  login      M2M session: ORIGIN/api/m2m/v1/session/login answered 404; fault 900906; next login: TIME
      next:      No M2M session lives there: set THINGSPACE_SESSION_URL, beside THINGSPACE_TOKEN_URL and THINGSPACE_API_ORIGINS.
`,
    fields: {
      variables: {
        set: [
          'THINGSPACE_API_ORIGINS',
          'THINGSPACE_CLIENT_ID',
          'THINGSPACE_CLIENT_SECRET',
          'THINGSPACE_PASSWORD',
          'THINGSPACE_TOKEN_URL',
          'THINGSPACE_USERNAME',
        ],
      },
      login: {},
    },
  },
  'an API that refuses the token': {
    args: ['{origin}/api'],
    script: ({ failNext }) => failNext('api', 401, 2),
    printed: `${VARIABLES}${ENDPOINT}${CLOCK}${TOKEN}FAIL  call       GET ORIGIN/api answered 401 in N ms
      next:      The API refuses a token that the server has just granted: check that both belong to the same environment.
`,
    fields: { call: { url: 'ORIGIN/api', status: 401, durationMs: 'N' } },
  },
  'an API that forbids': {
    args: ['{origin}/api'],
    script: ({ failNext }) => failNext('api', 403),
    printed: `${VARIABLES}${ENDPOINT}${CLOCK}${TOKEN}FAIL  call       GET ORIGIN/api answered 403 in N ms
      next:      The API accepts the token, but that is not enough: check the scopes, and what the account may do.
`,
    fields: { call: { url: 'ORIGIN/api', status: 403, durationMs: 'N' } },
  },
  'a path that is not there': {
    args: ['{origin}/api'],
    script: ({ failNext }) => failNext('api', 404),
    printed: `${VARIABLES}${ENDPOINT}${CLOCK}${TOKEN}FAIL  call       GET ORIGIN/api answered 404 in N ms
      next:      Check the path of the URL.
`,
    fields: { call: { url: 'ORIGIN/api', status: 404, durationMs: 'N' } },
  },
  'an API without its session': {
    args: ['{origin}/api/m2m/v1/accounts'],
    printed: `${VARIABLES}${ENDPOINT}${CLOCK}${TOKEN}FAIL  call       GET ORIGIN/api/m2m/v1/accounts answered 400 in N ms
      next:      Check the URL. An M2M API also wants a session: --login, or THINGSPACE_M2M_TOKEN.
`,
    fields: { call: { url: 'ORIGIN/api/m2m/v1/accounts', status: 400, durationMs: 'N' } },
  },
  'an API that throttles': {
    args: ['{origin}/api'],
    script: ({ failNext }) =>
      failNext('api', new Response('', { status: 429, headers: { 'retry-after': '5' } })),
    printed: `${VARIABLES}${ENDPOINT}${CLOCK}${TOKEN}FAIL  call       GET ORIGIN/api answered 429 in N ms
      next:      The server throttles or is unavailable: wait 5 s, then try again.
`,
    fields: { call: { url: 'ORIGIN/api', status: 429, durationMs: 'N' } },
  },
  'an API that is down': {
    args: ['{origin}/api'],
    script: ({ failNext }) => failNext('api', 500),
    printed: `${VARIABLES}${ENDPOINT}${CLOCK}${TOKEN}FAIL  call       GET ORIGIN/api answered 500 in N ms
      next:      The server throttles or is unavailable: wait, then try again.
`,
    fields: { call: { url: 'ORIGIN/api', status: 500, durationMs: 'N' } },
  },
  'an API that redirects for ever': {
    args: ['{origin}/api'],
    script: ({ failNext }) =>
      failNext('api', new Response(null, { status: 302, headers: { location: '/api' } }), Infinity),
    printed: `${VARIABLES}${ENDPOINT}${CLOCK}${TOKEN}FAIL  call       The redirect of ORIGIN/api is refused: over 20, not safe, or against redirect or integrity
      next:      Check the URL.
`,
    fields: { call: { url: 'ORIGIN/api' } },
  },
  'an API that cannot be reached': {
    args: ['http://127.0.0.1:65535/orders'],
    env: { THINGSPACE_API_ORIGINS: 'http://127.0.0.1:65535' },
    printed: `${VARIABLES}${ENDPOINT}${CLOCK}${TOKEN}FAIL  call       No answer from http://127.0.0.1:65535/orders: connect ECONNREFUSED 127.0.0.1:65535
      next:      Nothing listens there: check host and port. Behind a proxy, set HTTPS_PROXY; Node also wants NODE_USE_ENV_PROXY=1, from 22.21 and 24.5 on.
`,
    fields: { call: { url: 'http://127.0.0.1:65535/orders' } },
  },
};

for (const [what, situation] of Object.entries(SITUATIONS)) {
  test(`check tells of ${what}`, async (t) => {
    const { printed, fields = {}, args = [] } = situation;
    const people = await runCommand(t, ['check', ...args], situation);
    const programs = await runCommand(t, ['check', '--json', ...args], situation);

    assert.equal(sameEverywhere(people.stdout, people), printed);
    const { ok, steps, error } = JSON.parse(sameEverywhere(programs.stdout, programs));
    assert.equal(steps.map(lineOf).join(''), printed);
    assert.deepEqual(
      steps.map(fieldsOf),
      steps.map(({ name }: Step) => fields[name] ?? USUAL[name]),
    );
    const failed = steps.find((step: Step) => !step.ok);
    assert.doesNotMatch(failed?.message ?? '', /\b(check|try again)\b/, 'the next step says this');
    assert.deepEqual(error, failed && { message: failed.message, next: failed.next });
    const exitCode = ok ? 0 : 1;
    for (const outcome of [people, programs])
      assert.deepEqual([outcome.stderr, outcome.exitCode], ['', exitCode]);
  });
}

interface Step {
  readonly name: string;
  readonly ok: boolean;
  readonly message: string;
  readonly warnings?: readonly string[];
  readonly next?: string;
}

/** Without what differs from run to run. On a busy machine a clock seems to be a few seconds off. */
function sameEverywhere(text: string, { origin }: Run): string {
  return text
    .replaceAll(origin, 'ORIGIN')
    .replaceAll(origin.replace('http:', 'https:'), 'HTTPS-ORIGIN')
    .replace(/\d+(?= ms)/g, 'N')
    .replace(/next login: [\w:.-]+/g, 'next login: TIME')
    .replace(/("durationMs": )\d+/g, '$1"N"')
    .replace(/clock is [0-5] s (ahead of|behind)/, 'clock is within a second of')
    .replace(/clock is (59[5-9]|60[0-5]) s/, 'clock is 600 s')
    .replace(/("offsetSeconds": )-?[0-5]\b/, '$10')
    .replace(/("offsetSeconds": -)(59[5-9]|60[0-5])/, '$1600');
}

function lineOf({ name, ok, message, warnings = [], next }: Step): string {
  const lines = [`${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(9)}  ${message}`];
  for (const warning of warnings) lines.push(`warn             ${warning}`);
  if (next) lines.push(`      next:      ${next}`);
  return `${lines.join('\n')}\n`;
}

function fieldsOf({ name: _, ok: __, message: ___, warnings: ____, next: _____, ...fields }: Step): object {
  return fields;
}
