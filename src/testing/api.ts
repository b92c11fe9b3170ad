/**
 * The mock's resources behind a bearer token: the APIs with their invented resources, and the M2M session.
 * @module
 */
import { connectivityError, gatewayAnswer, json, missingCredentials, sessionEnded } from './answers.ts';
import type { Received } from './options.ts';
import { invent, type MockState, nowMs } from './state.ts';

const SESSION_IDLE_MS = 1_200_000; // 20 minutes
const LOGIN_FAILURES_TO_LOCK = 5;

/** The APIs that want a session, whatever their version. `mec` wants none. */
const SESSION_APIS = /\/api\/(m2m|loc|subsc|fota|diagnostics|cc|hyper-precise)\/v\d+\//;

const RESOURCES: Readonly<Record<string, unknown>> = {
  'GET /api/mec/eds/regions': {
    regions: [{ regionId: 'mock-region-1', name: 'MOCK_EAST', countryCode: 'US' }],
  },
  'GET /api/mec/eds/mecplatforms': {
    mecPlatforms: [{ ern: 'mock-ern-1', region: 'MOCK_EAST', status: 'active' }],
  },
  'GET /api/mec/eds/serviceendpoints': {
    serviceEndpoints: [{ ern: 'mock-ern-1', uri: 'https://edge.example' }],
  },
  'GET /api/mec/eds/serviceprofiles': { serviceProfileList: ['mock-service-profile-1'] },
  'POST /api/m2m/v1/devices/actions/list': {
    hasMoreData: false,
    devices: [{ deviceIds: [{ id: 'mock-1', kind: 'imei' }] }],
  },
};

/** Answers everything that wants a token. */
export function answerBearer(state: MockState, request: Received): Response {
  const refusal = refuseBearer(state, request);
  if (refusal) return refusal;
  const { method, path, headers } = request;
  if (path.endsWith('/session/login')) return logIn(state, request.body);
  const isLogout = path.endsWith('/session/logout');
  const sessionToken = headers[isOfEtx(request.url) ? 'sessiontoken' : 'vz-m2m-token'] ?? '';
  const isPasswordChange = path.endsWith('/session/password/actions/reset');
  const api = isLogout || isPasswordChange ? 'm2m' : apiOf(request);
  if (api !== undefined && !useSession(state, sessionToken)) return sessionEnded(api);
  if (isLogout) state.sessions.delete(sessionToken);
  if (isPasswordChange) return changePassword(state, sessionToken, request.body);
  return json(200, RESOURCES[`${method} ${path}`] ?? { method, path });
}

/** The name of an API that wants a session. */
function apiOf({ url, path }: Received): string | undefined {
  if (path.startsWith('/api/mec/')) return undefined;
  return isOfEtx(url) ? 'etx' : SESSION_APIS.exec(path)?.[1];
}

/** ETX has hosts of its own, and wants the session in another header than all other APIs. */
function isOfEtx(url: string): boolean {
  return /^https:\/\/imp[.-]/.test(url);
}

/** A token that is bound to a key wants a proof beside it. Any will do. */
function refuseBearer(state: MockState, { headers }: Received): Response | undefined {
  const [, scheme, bearer = ''] = /^(Bearer|DPoP) (.+)$/.exec(headers['authorization'] ?? '') ?? [];
  if (!scheme) return missingCredentials();
  const token = state.tokens.get(bearer);
  const isGood = token && token.endsMs > nowMs(state) && token.type === scheme;
  const isProven = scheme === 'Bearer' || headers['dpop'] !== undefined;
  return isGood && isProven ? undefined : gatewayAnswer(401);
}

function logIn(state: MockState, body: string): Response {
  const { username, password } = parse(body);
  if (typeof username !== 'string' || typeof password !== 'string')
    return connectivityError(400, 'INPUT_INVALID.Credentials.Missing', 'Username and password are required.');
  const failures = state.failedLogins.get(username) ?? 0;
  if (failures >= LOGIN_FAILURES_TO_LOCK)
    return connectivityError(403, 'REQUEST_FAILED.Account.Locked', 'The account is locked.');
  if (!isPassword(state, username, password)) {
    state.failedLogins.set(username, failures + 1);
    return connectivityError(401, 'REQUEST_FAILED.Credentials.Invalid', 'The username or password is wrong.');
  }
  state.failedLogins.delete(username);
  const sessionToken = invent(state, 'session-token', ++state.sessionCount);
  state.sessions.set(sessionToken, { username, usedAtMs: nowMs(state) });
  return json(200, { sessionToken });
}

/** The new password holds at once. Sessions go on. */
function changePassword(state: MockState, sessionToken: string, body: string): Response {
  const { username = '' } = state.sessions.get(sessionToken) ?? {};
  if (!isPassword(state, username, parse(body).oldPassword))
    return connectivityError(400, 'INPUT_INVALID.Password.Invalid', 'The old password is wrong.');
  const newPassword = invent(state, 'password', ++state.passwordCount);
  state.passwords.set(username, newPassword);
  return json(200, { newPassword });
}

/** Without `users`, any password is right for a user until it has been changed. */
function isPassword({ passwords, options }: MockState, username: string, password: unknown): boolean {
  return passwords.has(username) ? passwords.get(username) === password : !options.users;
}

function parse(body: string): { username?: unknown; password?: unknown; oldPassword?: unknown } {
  try {
    return JSON.parse(body) ?? {};
  } catch {
    return {};
  }
}

/** Uses a session, which keeps it alive, and says whether it is alive. A session that has ended stays so. */
function useSession(state: MockState, sessionToken: string): boolean {
  const now = nowMs(state);
  const session = state.sessions.get(sessionToken);
  if (!session || now - session.usedAtMs >= SESSION_IDLE_MS) return false;
  state.sessions.set(sessionToken, { ...session, usedAtMs: now });
  return true;
}
