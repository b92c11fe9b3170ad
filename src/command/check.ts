/**
 * `check`: looks at one thing after another, until one makes the next ones pointless.
 * @module
 */
import {
  type Client,
  createClient,
  type KnownScopesConfig,
  OAuthProviderError,
  type OAuthToken,
} from '../index.ts';
import { createSession } from '../session.ts';
import { ADVICE_ON_ORIGINS, explain } from './advice.ts';
import { readInit } from './callBody.ts';
import type { CallOrder, CheckOrder } from './commandLine.ts';
import { obtainSessionToken } from './login.ts';
import { printJson, printStep, type Step } from './output.ts';
import {
  callFailure,
  callStep,
  clockStep,
  endpointStep,
  type Inspection,
  loginFailure,
  tokenStep,
} from './steps.ts';
import type { ExitStatus } from './stop.ts';
import { originAndPath, secretsOf } from './text.ts';
import { createTrace } from './trace.ts';
import { namesSet, readConfig, requireVariables, type Setting, warnOfUnknown } from './variables.ts';
import { createWaits } from './waits.ts';

export async function runCheck(order: CheckOrder, { env, fileWarnings }: Setting): Promise<ExitStatus> {
  const steps: Step[] = [];
  await inspectAll(order, {
    env,
    fileWarnings,
    secrets: secretsOf(env),
    trace: createTrace(createWaits().fetch),
    show: (step) => {
      steps.push(step);
      if (!order.isJson) printStep(step);
    },
  });
  const failed = steps.find(({ ok }) => !ok);
  const error = failed && { message: failed.message, next: failed.next };
  if (order.isJson) printJson({ ok: !failed, steps, error });
  return failed ? 1 : 0;
}

async function inspectAll({ call, isLogin }: CheckOrder, inspection: Inspection): Promise<void> {
  const init = call ? readInit(call) : {};
  const config = checkVariables(inspection, isLogin);
  if (!config || (call && !(await checkOrigin(config, inspection, call)))) return;
  const token = await checkToken(config, inspection);
  if (!token) return;
  const sessionToken = isLogin ? await checkLogin(config, token, inspection) : config.vZM2mToken;
  if (isLogin && !sessionToken) return;
  // A text, not the session: that would log in again if the API said that it had lapsed.
  const caller = createClient({ ...config, fetch: inspection.trace.fetch, vZM2mToken: sessionToken });
  if (call) await checkCall(caller.withToken(token), call.url, init, inspection);
}

function checkVariables(
  { env, fileWarnings, show }: Inspection,
  isLogin: boolean,
): KnownScopesConfig | undefined {
  const set = namesSet(env);
  const warnings = [...fileWarnings, ...warnOfUnknown(env)];
  const shared = { set, ...(warnings.length && { warnings }) };
  const found = `set: ${set.join(', ') || 'none'}`;
  try {
    requireVariables(env, ['CLIENT_ID', 'CLIENT_SECRET', ...(isLogin ? ['USERNAME', 'PASSWORD'] : [])]);
    const config = readConfig(env);
    show({ name: 'variables', ok: true, message: found, ...shared });
    return config;
  } catch (error) {
    const { message, next } = explain(error, env);
    show({ name: 'variables', ok: false, message: `${message}; ${found}`, next, ...shared });
    return undefined;
  }
}

/** Asks a client that sends nothing whether it would send its token there. */
async function checkOrigin(
  config: KnownScopesConfig,
  { show }: Inspection,
  { url }: CallOrder,
): Promise<boolean> {
  const sender = createClient({ ...config, vZM2mToken: undefined, fetch: async () => new Response() });
  const { authorizedFetch } = sender.withToken({ accessToken: 'none', tokenType: 'Bearer' });
  try {
    await authorizedFetch(url);
    return true;
  } catch (error) {
    const { message } = error as Error;
    show({ name: 'call', ok: false, message, next: ADVICE_ON_ORIGINS, url: originAndPath(url) });
    return false;
  }
}

/** One token request tells of the endpoint, of the clock and of the token. */
async function checkToken(
  config: KnownScopesConfig,
  inspection: Inspection,
): Promise<OAuthToken | undefined> {
  const { env, show, trace } = inspection;
  const { fetchToken } = createClient({ ...config, retry: { attempts: 1 }, fetch: trace.fetch });
  const outcome = await fetchToken().catch((error: unknown) => error as Error);
  const isAnswered = !(outcome instanceof Error) || outcome instanceof OAuthProviderError;
  show(endpointStep(withSecretsOf(outcome, inspection), isAnswered ? undefined : outcome));
  const clock = clockStep(inspection);
  if (clock) show(clock);
  if (!isAnswered) return undefined;
  if (outcome instanceof Error) {
    show({ name: 'token', ok: false, ...explain(outcome, env) });
    return undefined;
  }
  show(tokenStep(inspection, outcome, config.clientCredentialsAuthCredentials.oauthScopes ?? []));
  return outcome;
}

/** A server may repeat the token beside it. */
function withSecretsOf(outcome: OAuthToken | Error, inspection: Inspection): Inspection {
  if (outcome instanceof Error) return inspection;
  return { ...inspection, secrets: [...inspection.secrets, outcome.accessToken] };
}

async function checkLogin(
  config: KnownScopesConfig,
  token: OAuthToken,
  inspection: Inspection,
): Promise<string | undefined> {
  const { env, trace, show } = inspection;
  const notice = 'one M2M login follows; if it fails it counts, and five in a row lock the account';
  show({ name: 'notice', ok: true, message: notice });
  const { THINGSPACE_USERNAME: username = '', THINGSPACE_PASSWORD: password = '' } = env;
  const session = createSession({ username: username.trim(), password: password.trim() });
  const { origin } = new URL(trace.url);
  try {
    const sessionToken = await obtainSessionToken({ config, token, session, origin, fetch: trace.fetch });
    const { durationMs } = trace;
    show({
      name: 'login',
      ok: true,
      message: `the M2M login brought a session in ${durationMs} ms`,
      durationMs,
    });
    return sessionToken;
  } catch (error) {
    show(loginFailure(inspection, error));
    return undefined;
  }
}

async function checkCall(
  { authorizedFetch }: Client,
  url: string,
  init: RequestInit,
  inspection: Inspection,
): Promise<void> {
  const { show } = inspection;
  try {
    const answer = await authorizedFetch(url, init);
    await answer.body?.cancel();
    show(callStep(inspection, url, `${init.method}`, answer));
  } catch (error) {
    show(callFailure(inspection, url, error));
  }
}
