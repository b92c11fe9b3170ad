/**
 * Reads the file of `--env`. Node's own reader gets only lines `NAME=value`, because its versions disagree
 * about all others: Node 20 makes one name of a line without `=` and of what follows up to the next `=`,
 * secrets included, and Node 24 drops such a line without a word.
 * @module
 */
import { readFileSync } from 'node:fs';
import * as util from 'node:util';
import { Stop } from './stop.ts';
import { isVariableName, PREFIX, type Variables } from './text.ts';

export interface EnvFile {
  readonly variables: Variables;
  /** The numbers of the lines that are not read, from 1. */
  readonly unreadLines: readonly number[];
}

export function readEnvFile(path: string): EnvFile {
  if (!util.parseEnv)
    throw new Stop(
      'This version of Node cannot read --env',
      'Use Node 20.12 or later, or set the variables.',
    );
  const lines = readLines(path);
  const unreadLines = findUnread(lines);
  const kept = lines.filter((_, index) => !unreadLines.includes(index + 1));
  return { variables: util.parseEnv(kept.join('\n')) as Variables, unreadLines };
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .replace(/^\uFEFF/, '')
      .split(/\r?\n/);
  } catch (error) {
    throw new Stop(
      `The file of --env cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'Give the path of a file with lines NAME=value.',
    );
  }
}

function findUnread(lines: readonly string[]): number[] {
  const unread: number[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const end = endOfEntry(lines, index);
    if (end === undefined) unread.push(index + 1);
    else index = end;
  }
  return unread;
}

/** The index of the last line of what begins here; `undefined` if this line cannot be read. */
function endOfEntry(lines: readonly string[], index: number): number | undefined {
  const line = lines[index] ?? '';
  if (/^\s*(#|$)/.test(line)) return index;
  const [, name, value = ''] = /^\s*(?:export\s+)?([\w.-]+)\s*=\s*(.*)$/.exec(line) ?? [];
  if (name === undefined) return undefined;
  const isOurs = name.startsWith(PREFIX);
  if (isOurs && !isVariableName(name)) return undefined;
  const [quote] = /^["'`]/.exec(value) ?? [];
  if (!quote || value.includes(quote, 1)) return index;
  // The next quote closes it, wherever that is. Of our own variables none has several lines, so it is a slip
  // there, and would make one value of all lines in between.
  if (isOurs) return undefined;
  const end = lines.findIndex((each, at) => at > index && each.includes(quote));
  return end < 0 ? index : end;
}
