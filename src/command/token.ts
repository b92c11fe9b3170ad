/**
 * `token`: prints an access token, and nothing else on its stream.
 * @module
 */
import process from 'node:process';
import { type ClientEvent, createClient, type OAuthToken, type VariablesConfig } from '../index.ts';
import { fileStore } from '../stores/file.ts';
import { storedToken } from '../stores.ts';
import type { TokenOrder } from './commandLine.ts';
import { print, printJson } from './output.ts';
import type { ExitStatus } from './stop.ts';
import { escapeControls, type Variables } from './text.ts';
import { readConfig } from './variables.ts';

export async function printToken({ isJson, storeFolder }: TokenOrder, env: Variables): Promise<ExitStatus> {
  const config = readConfig(env);
  const client = createClient(storeFolder === undefined ? config : keptIn(storeFolder, config));
  const token: OAuthToken = await (storeFolder === undefined ? client.fetchToken() : client.getToken());
  if (isJson) printJson(token);
  else print(`${token.accessToken}\n`);
  return 0;
}

function keptIn(folder: string, config: VariablesConfig): VariablesConfig {
  const oauthTokenProvider = storedToken(fileStore(folder));
  let isTold = false;
  return {
    ...config,
    clientCredentialsAuthCredentials: { ...config.clientCredentialsAuthCredentials, oauthTokenProvider },
    onEvent: (event: ClientEvent) => {
      if (event.type !== 'store_failed' || isTold) return;
      isTold = true;
      const text = `The token is not kept: ${folder} cannot be used (${event.reason})`;
      process.stderr.write(`${escapeControls(text)}\n`);
    },
  };
}
