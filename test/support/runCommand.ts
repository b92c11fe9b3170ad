/** Runs the command as a process of its own, against the mock over real HTTP. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createMockServer, type MockServer, type MockServerOptions } from 'thingspace-auth/testing';
import { type Outcome, startStandIn } from './standIn.ts';

export const COMMAND: string = join(import.meta.dirname, '../../../dist/command.js');

export interface Setting {
  readonly mock?: MockServerOptions;
  /** What stands before the mock. */
  readonly answer?: (request: Request, next: () => Promise<Response>) => Response | Promise<Response>;
  readonly script?: (mock: MockServer) => void;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Run extends Outcome {
  readonly mock: MockServer;
  readonly origin: string;
}

const VARIABLES = {
  THINGSPACE_CLIENT_ID: 'invented-key',
  THINGSPACE_CLIENT_SECRET: 'invented secret',
  THINGSPACE_TOKEN_URL: '{origin}/api/ts/v1/oauth2/token',
  THINGSPACE_API_ORIGINS: '{origin}',
};

export const ACCOUNT = { THINGSPACE_USERNAME: 'invented-user', THINGSPACE_PASSWORD: 'invented-password' };

/** What it says beside a token of the mock. */
export const MOCK_NOTICE = 'a mock of thingspace-auth gave out this token: no real server accepts it\n';

/**
 * Runs the command with the variables of an invented client of one server; `{origin}` stands for that in
 * arguments and variables.
 */
export async function runCommand(
  t: TestContext,
  args: readonly string[],
  { mock: options, answer, script, env = {} }: Setting = {},
): Promise<Run> {
  const mock = createMockServer({ clients: { 'invented-key': 'invented secret' }, ...options });
  script?.(mock);
  const fetch = async (request: any) =>
    answer ? answer(request, () => mock.fetch(request)) : mock.fetch(request);
  const origin = await startStandIn(t, { fetch } as never);
  const here = (text: string) =>
    text.replace('{origin}', origin).replace('{https origin}', origin.replace('http:', 'https:'));
  const variables = Object.fromEntries(
    Object.entries({ ...VARIABLES, ...env }).map(([name, value]) => [name, here(value)]),
  );
  return { ...(await startCommand(args.map(here), variables)), mock, origin };
}

/** Runs it with these variables only. */
export function startCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [COMMAND, ...args],
      { env: { ...ownVariables(), ...env }, timeout: 30_000 },
      (error, stdout, stderr) => resolve({ stdout, stderr, exitCode: error ? Number(error.code ?? 1) : 0 }),
    );
  });
}

/** Those of this process that measure what its children run. */
export function ownVariables(): NodeJS.ProcessEnv {
  const { PATH, NODE_OPTIONS, NODE_V8_COVERAGE } = process.env;
  return { PATH, NODE_OPTIONS, NODE_V8_COVERAGE };
}

/** What the mock saw. */
export function seen({ mock }: Run): string[] {
  return mock.requests.map(({ path, status }) => `${path.split('/').at(-1)} ${status}`);
}

/** What makes every `fetch` of the command reject as the platform's does. */
export function rejecting(reason: string, code: string): Readonly<Record<string, string>> {
  const cause = `Object.assign(new Error(${JSON.stringify(reason)}), { code: '${code}' })`;
  return preloading(
    `globalThis.fetch = async () => { throw new TypeError('fetch failed', { cause: ${cause} }); };`,
  );
}

/** What runs a program in the command's process first. */
export function preloading(program: string): Readonly<Record<string, string>> {
  return {
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=data:text/javascript,${encodeURIComponent(program)}`,
  };
}

export function withDate(answer: Response, ms: number): Response {
  return withHeaders(answer, { date: new Date(ms).toUTCString() });
}

export function withHeaders({ status, headers, body }: Response, more: Record<string, string>): Response {
  return new Response(body, { status, headers: { ...Object.fromEntries(headers), ...more } });
}
