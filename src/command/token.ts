/**
 * `token`: prints an access token, and nothing else on its stream.
 * @module
 */
import { type ClientEvent, createClient, type KnownScopesConfig, type OAuthToken } from '../index.ts';
import { fileStore } from '../stores/file.ts';
import { storedToken } from '../stores.ts';
import type { TokenOrder } from './commandLine.ts';
import { noticesOfMock } from './mockNotice.ts';
import { print, printAside, printJson } from './output.ts';
import type { ExitStatus } from './stop.ts';
import { readConfig, requireVariables, type Setting } from './variables.ts';
import { createWaits, type Waits } from './waits.ts';

export async function printToken(
  { isJson, storeFolder }: TokenOrder,
  { env, fileWarnings }: Setting,
): Promise<ExitStatus> {
  for (const warning of fileWarnings) printAside(warning);
  // A token that is kept is good without a secret.
  requireVariables(env, env['THINGSPACE_CLIENT_ID']?.trim() ? [] : ['CLIENT_ID', 'CLIENT_SECRET']);
  const token = await obtainAccessToken(readConfig(env), storeFolder);
  if (isJson) printJson(withEndAsDate(token));
  else print(`${token.accessToken}\n`);
  for (const notice of noticesOfMock(token.accessToken)) printAside(notice);
  return 0;
}

function obtainAccessToken(ownConfig: KnownScopesConfig, folder: string | undefined): Promise<OAuthToken> {
  const { during, ...waits } = createWaits();
  const config = { ...ownConfig, ...waits };
  if (folder === undefined) return createClient(config).fetchToken();
  const { getToken } = createClient(keptIn(folder, config));
  return during(`${folder}, or a program that uses it`, getToken);
}

/** For people: `expiry` counts seconds. */
function withEndAsDate(token: OAuthToken): OAuthToken & { readonly expires?: string } {
  if (token.expiry === undefined) return token;
  return { ...token, expires: new Date(token.expiry * 1000).toISOString().replace('.000Z', 'Z') };
}

function keptIn(folder: string, config: KnownScopesConfig & Pick<Waits, 'onEvent'>): KnownScopesConfig {
  const oauthTokenProvider = storedToken(fileStore(folder));
  let isTold = false;
  return {
    ...config,
    clientCredentialsAuthCredentials: { ...config.clientCredentialsAuthCredentials, oauthTokenProvider },
    onEvent: (event: ClientEvent) => {
      config.onEvent(event);
      if (event.type !== 'store_failed' || isTold) return;
      isTold = true;
      printAside(`The token is not kept: ${folder} cannot be used (${event.reason})`);
    },
  };
}
