/**
 * `session`: prints an M2M session token, and nothing else on its stream. Only with a store: what it knows of
 * failed logins must outlive this process, since five in a row lock the account.
 * @module
 */
import {
  ApiError,
  type ClientEvent,
  createClient,
  type KnownScopesConfig,
  type OAuthToken,
} from '../index.ts';
import { createSession } from '../session.ts';
import { fileStore } from '../stores/file.ts';
import { storedToken } from '../stores.ts';
import { explain, reasonOf } from './advice.ts';
import type { SessionOrder } from './commandLine.ts';
import { obtainSessionToken, type SessionCall } from './login.ts';
import { noticesOfMock } from './mockNotice.ts';
import { print, printAside, printJson } from './output.ts';
import { type ExitStatus, Stop } from './stop.ts';
import { readConfig, requireVariables, type Setting } from './variables.ts';
import { createWaits, type Waits } from './waits.ts';

export async function printSession(order: SessionOrder, setting: Setting): Promise<ExitStatus> {
  const { env, fileWarnings } = setting;
  for (const warning of fileWarnings) printAside(warning);
  requireVariables(env, ['CLIENT_ID', 'CLIENT_SECRET', 'USERNAME', 'PASSWORD']);
  const waits = createWaits();
  const watched = watchStore(readConfig(env), waits);
  const { config } = watched;
  const { THINGSPACE_USERNAME: username = '', THINGSPACE_PASSWORD: password = '' } = env;
  const store = fileStore(order.storeFolder);
  const session = createSession({ username: username.trim(), password: password.trim(), store });
  const usedFolder = `${order.storeFolder}, or a program that uses it`;
  const { token, origin } = await waits.during(usedFolder, () => obtainBearer(config, store));
  const call = { config, token, session, origin, fetch: waits.fetch, isReset: order.isReset };
  if (order.isLogout) return endKeptSession(call, order);
  const sessionToken = await waits
    .during(usedFolder, () => obtainSessionToken(call))
    .catch((error: unknown) => {
      throw explainSession(order, error, setting, watched.failure());
    });
  if (order.isJson) printJson({ sessionToken });
  else print(`${sessionToken}\n`);
  for (const notice of noticesOfMock(sessionToken)) printAside(notice);
  return 0;
}

type Store = ReturnType<typeof fileStore>;

/** The bearer is kept beside the session. */
async function obtainBearer(
  config: KnownScopesConfig,
  store: Store,
): Promise<{ token: OAuthToken; origin: string }> {
  const provide = storedToken(store);
  let origin = '';
  const oauthTokenProvider: typeof provide = (lastToken, request) => {
    ({ origin } = new URL(request.tokenUrl));
    return provide(lastToken, request);
  };
  const credentials = { ...config.clientCredentialsAuthCredentials, oauthTokenProvider };
  const client = createClient({ ...config, clientCredentialsAuthCredentials: credentials });
  return { token: await client.getToken(), origin };
}

/** Finds the session that is kept. A login is answered here, as by a server that has none. */
async function endKeptSession(call: SessionCall, { storeFolder, isJson }: SessionOrder): Promise<ExitStatus> {
  let isKept = true;
  const withoutLogin: typeof fetch = async (input, init) => {
    if (!new Request(input).url.endsWith('/login')) return call.fetch(input, init);
    isKept = false;
    return new Response(null, { status: 405 });
  };
  await obtainSessionToken({ ...call, fetch: withoutLogin }).catch((error: unknown) => {
    if (isKept) throw error;
  });
  if (isKept) await call.session.logout();
  if (isJson) printJson({ ok: true, wasKept: isKept });
  else printAside(isKept ? 'The session is ended.' : `No session is kept in ${storeFolder}.`);
  return 0;
}

/** A configuration that notes why the store failed last. */
function watchStore(config: KnownScopesConfig, waits: Waits) {
  let reason: string | undefined;
  const onEvent = (event: ClientEvent) => {
    waits.onEvent(event);
    if (event.type === 'store_failed') ({ reason } = event);
  };
  return { config: { ...config, fetch: waits.fetch, onEvent }, failure: () => reason };
}

/** Says what the library does not know of: the folder, and `--reset`. */
function explainSession(
  { storeFolder }: SessionOrder,
  error: unknown,
  { env }: Setting,
  storeFailure: string | undefined,
): unknown {
  if (!(error instanceof ApiError)) return error;
  const { message, next } = explain(error, env);
  if (error.code === 'session_refused')
    return new Stop(message, `${next} Then --reset allows one more login.`);
  if (storeFailure === undefined || !reasonOf(error).includes(storeFailure)) return error;
  return new Stop(
    `No login without the folder of --store, and ${storeFolder} cannot be used (${storeFailure})`,
    'Give one that this user may write to, and that outlives the command.',
  );
}
