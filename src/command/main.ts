/**
 * The command: finds out what the user wants, does it, and says what went wrong.
 * @module
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { explain } from './advice.ts';
import { runCheck } from './check.ts';
import { type Order, readOrder } from './commandLine.ts';
import { serveMock } from './mock.ts';
import { endWithReader, print, printExplanation, printJson } from './output.ts';
import { printSession } from './session.ts';
import { type ExitStatus, Stop } from './stop.ts';
import { printToken } from './token.ts';
import { usageOf } from './usage.ts';
import { readSetting } from './variables.ts';

/** `manifest`: where the package.json lies that has the version. */
export async function main(args: readonly string[], manifest: URL): Promise<ExitStatus> {
  endWithReader();
  try {
    return await runOrder(readOrder(args), manifest);
  } catch (error) {
    return fail(error, args);
  }
}

function runOrder(order: Order, manifest: URL): ExitStatus | Promise<ExitStatus> {
  switch (order.command) {
    case 'help':
      return show(usageOf(order.about));
    case 'version':
      return show(`${JSON.parse(readFileSync(manifest, 'utf8')).version}\n`);
    case 'mock':
      return serveMock(order);
    case 'token':
      return printToken(order, readSetting(order.envFile));
    case 'session':
      return printSession(order, readSetting(order.envFile));
    case 'check':
      return runCheck(order, readSetting(order.envFile));
  }
}

function show(text: string): ExitStatus {
  print(text);
  return 0;
}

function fail(error: unknown, args: readonly string[]): ExitStatus {
  const explanation = explain(error, process.env);
  const steps = args[0] === 'token' || args[0] === 'session' ? undefined : [];
  if (args.includes('--json')) printJson({ ok: false, steps, error: explanation });
  else printExplanation(explanation);
  return error instanceof Stop ? error.status : 1;
}
