/**
 * Prints the results: lines for people, one object for programs.
 * @module
 */
import process from 'node:process';
import type { Explanation } from './stop.ts';
import { escapeControls } from './text.ts';

/** One finding. */
export interface Step {
  readonly name: 'variables' | 'endpoint' | 'clock' | 'token' | 'notice' | 'login' | 'call';
  readonly ok: boolean;
  /** What was found. */
  readonly message: string;
  /** What may be wrong, and is not a failure. */
  readonly warnings?: readonly string[] | undefined;
  /** What to do, if it is not good. */
  readonly next?: string | undefined;
  readonly [field: string]: unknown;
}

/**
 * Ends the command without a word when a reader closes the pipe: `| head -1` has what it wanted. Says so
 * where nothing can be written for another reason.
 */
export function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', end);

  function end({ code }: NodeJS.ErrnoException): void {
    if (code === 'EPIPE') process.exit(0);
    printExplanation({
      message: `The output cannot be written (${code})`,
      next: 'Look at what reads it, or at the disk.',
    });
    process.exit(1);
  }
}

export function print(text: string): void {
  process.stdout.write(text);
}

export function printJson(value: unknown): void {
  print(`${JSON.stringify(value, null, 2)}\n`);
}

export function printStep({ name, ok, message, warnings = [], next }: Step): void {
  const mark = ok ? colour(32, 'ok  ') : colour(31, 'FAIL');
  print(`${mark}  ${name.padEnd(9)}  ${message}\n`);
  for (const warning of warnings) print(`${colour(33, 'warn')}             ${warning}\n`);
  if (next) print(`      next:      ${next}\n`);
}

/** For a word beside what was asked for. */
export function printAside(text: string): void {
  process.stderr.write(`${escapeControls(text)}\n`);
}

/** For a failure that ends the command. */
export function printExplanation({ message, next }: Explanation): void {
  process.stderr.write(`${message}\n${next}\n`);
}

/** By the number that terminals know a colour by (ECMA-48). */
function colour(code: number, text: string): string {
  return wantsColours() ? `\u001b[${code}m${text}\u001b[39m` : text;
}

/** FORCE_COLOR wins over NO_COLOR, as in Node: https://force-color.org, https://no-color.org */
function wantsColours(): boolean {
  const { FORCE_COLOR, NO_COLOR, TERM } = process.env;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  if (NO_COLOR) return false;
  return process.stdout.isTTY && TERM !== 'dumb';
}
