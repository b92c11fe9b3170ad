/**
 * Runs a program that talks to real hosts, such as an example, as a child process, while a mock answers for
 * all of them over real HTTP. The program is not changed: `standInPreload` leads its connections here.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { TestContext } from 'node:test';
import type { MockServer } from 'thingspace-auth/testing';
import { readBody } from './server.ts';

/** What a program printed, and how it ended. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Something that answers like `fetch` where the mock itself will not do. */
export type Answerer = Pick<MockServer, 'fetch'>;

/** Answers for every host until the test ends, and hands on WebSocket handshakes; returns its origin. */
export async function startStandIn(
  t: Pick<TestContext, 'after'>,
  { fetch }: Answerer,
  onUpgrade?: (headers: NodeJS.Dict<string | string[]>, socket: Duplex) => void,
): Promise<string> {
  const server = createServer(async (incoming, outgoing) => {
    const { method = '', url = '', headers } = incoming;
    const body = (await readBody(incoming)) || null;
    const answer = await fetch(
      new Request(`https://${headers.host}${url}`, { method, headers: headers as HeadersInit, body }),
    );
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
  });
  if (onUpgrade) server.on('upgrade', ({ headers }, socket) => onUpgrade(headers, socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The line that `thingspace-auth/testing/global` prints. */
export const GLOBAL_MOCK: RegExp =
  /^thingspace-auth\/testing\/global: a mock answers for https:\/\/thingspace\.verizon\.com and \d other hosts\n$/;

/**
 * Runs a built program as its reader would who has no account, from the folder of this package, where
 * `thingspace-auth/testing/global` is found.
 */
export function runWithoutAccount(
  program: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  return runNode(['--import', 'thingspace-auth/testing/global', program], env, process.cwd());
}

/**
 * Runs a built program, against a stand-in where one is given, with these environment variables and no others
 * that could matter.
 */
export function runProgram(
  program: string,
  standIn: string | undefined,
  env: Readonly<Record<string, string>> = {},
  cwd: string = process.cwd(),
): Promise<Outcome> {
  const preload = standIn ? ['--import', join(import.meta.dirname, 'standInPreload.js')] : [];
  return runNode([...preload, program], { ...(standIn && { STAND_IN: standIn }), ...env }, cwd);
}

function runNode(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<Outcome> {
  const variables = { PATH: process.env.PATH, ...env };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, env: variables, timeout: 30_000 }, (error, stdout, stderr) => {
      resolve({ stdout, stderr, exitCode: error ? Number(error.code ?? 1) : 0 });
    });
  });
}
