/**
 * Reads the command line. A mistake in it is reported in one line, with the word that is wrong.
 * @module
 */
import { parseArgs } from 'node:util';
import { nearest } from './nearest.ts';
import { wrongUse } from './stop.ts';
import { escapeControls } from './text.ts';

export type Command = 'token' | 'session' | 'check' | 'mock';

export type Order = HelpOrder | VersionOrder | TokenOrder | SessionOrder | CheckOrder | MockOrder;

interface HelpOrder {
  readonly command: 'help';
  /** Absent: all commands. */
  readonly about: Command | undefined;
}

interface VersionOrder {
  readonly command: 'version';
}

interface ReportOrder {
  readonly envFile: string | undefined;
  readonly isJson: boolean;
}

export interface TokenOrder extends ReportOrder {
  readonly command: 'token';
  readonly storeFolder: string | undefined;
}

export interface SessionOrder extends ReportOrder {
  readonly command: 'session';
  readonly storeFolder: string;
  readonly isReset: boolean;
  readonly isLogout: boolean;
}

export interface CheckOrder extends ReportOrder {
  readonly command: 'check';
  readonly call: CallOrder | undefined;
  readonly isLogin: boolean;
}

/** The authorized call. */
export interface CallOrder {
  readonly url: string;
  readonly method: string;
  /** As it was given: a text, or `@` and the path of a file. Absent: no body. */
  readonly data: string | undefined;
}

export interface MockOrder {
  readonly command: 'mock';
  /** `0`: any free one. */
  readonly port: number;
}

/** By command, the options that it takes. */
const TAKES: Readonly<Record<Command, readonly string[]>> = {
  token: ['store', 'env', 'json'],
  session: ['store', 'reset', 'logout', 'env', 'json'],
  check: ['method', 'data', 'login', 'env', 'json'],
  mock: ['port'],
};

/** By option, what its value is called. */
const VALUES: Readonly<Record<string, string>> = {
  env: 'FILE',
  store: 'FOLDER',
  port: 'N',
  method: 'METHOD',
  data: 'DATA',
};

/** As curl has them. */
const SHORT: Readonly<Record<string, string>> = { method: 'X', data: 'd' };

const LONGEST_QUOTE = 60;

/** Throws a {@link Stop} for what it does not understand. */
export function readOrder(args: readonly string[]): Order {
  const { words, options } = parse(args);
  if (words[0] === 'help') return readHelp(words[1]);
  if (args.includes('--help') || args.includes('-h')) return readHelp(words[0]);
  if (args.includes('--version')) return { command: 'version' };
  checkCommandOptions(options);
  const [command, ...rest] = words;
  checkCommand(command);
  const values = readValues(command, options);
  const shared = { envFile: values.get('env'), isJson: values.has('json') };
  if (command === 'check')
    return { command, ...shared, call: readCallOrder(rest, values), isLogin: values.has('login') };
  if (rest[0] !== undefined) throw wrongUse(`${command} does not take ${quote(rest[0])}`);
  if (command === 'mock') return { command, port: readPort(values.get('port')) };
  const storeFolder = values.get('store');
  if (command === 'token') return { command, ...shared, storeFolder };
  if (storeFolder === undefined) throw wrongUse('session needs --store FOLDER');
  const [isReset, isLogout] = [values.has('reset'), values.has('logout')];
  if (isReset && isLogout) throw wrongUse('session takes --reset or --logout, not both');
  return { command, ...shared, storeFolder, isReset, isLogout };
}

function readHelp(about: string | undefined): HelpOrder {
  if (about !== undefined) checkCommand(about);
  return { command: 'help', about };
}

interface GivenOption {
  readonly name: string;
  /** As it was written. */
  readonly rawName: string;
  readonly value?: string | undefined;
}

function parse(args: readonly string[]): { words: string[]; options: GivenOption[] } {
  const options = Object.fromEntries(Object.keys(VALUES).map((name) => [name, optionOf(name)]));
  // Not strict, since its own messages are of several sentences, and quote values, which may be secrets.
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  return {
    words: tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : [])),
    options: tokens.flatMap((token) => (token.kind === 'option' ? [token] : [])),
  };
}

function optionOf(name: string): { type: 'string'; short?: string } {
  const short = SHORT[name];
  return { type: 'string', ...(short && { short }) };
}

/** Whatever the command: each is one that some command takes, with a value if it has one. */
function checkCommandOptions(options: readonly GivenOption[]): void {
  const known = [...new Set(Object.values(TAKES).flat())];
  for (const { rawName, name, value } of options) {
    const isWritten = rawName === `--${name}` || rawName === `-${SHORT[name]}`;
    if (!isWritten || !known.includes(name))
      throw wrongUse(`Unknown option ${quote(rawName)}${suggest(name, known, '--')}`);
    const kind = VALUES[name];
    if (!kind && value !== undefined) throw wrongUse(`${rawName} takes no value`);
    const isMissing = !value || (value.startsWith('-') && name !== 'data');
    if (kind && isMissing) throw wrongUse(`${rawName} needs a value: ${rawName} ${kind}`);
  }
}

function checkCommand(word: string | undefined): asserts word is Command {
  const commands = Object.keys(TAKES);
  if (word === undefined) throw wrongUse(`A command is missing: ${commands.join(', ')}`);
  if (!commands.includes(word)) throw wrongUse(`Unknown command ${quote(word)}${suggest(word, commands)}`);
}

function readValues(command: Command, options: readonly GivenOption[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const { name, rawName, value = '' } of options) {
    if (!TAKES[command].includes(name)) throw wrongUse(`${command} does not take ${rawName}`);
    values.set(name, value);
  }
  return values;
}

/** A guess, where there is one. What stands before the word is not compared. */
function suggest(word: string, known: readonly string[], prefix: string = ''): string {
  const guess = nearest(word, known);
  return guess ? `; did you mean ${prefix}${guess}?` : '';
}

/** `-d` alone is a POST, as with curl. */
function readCallOrder(words: readonly string[], values: ReadonlyMap<string, string>): CallOrder | undefined {
  const url = readUrl(words);
  const data = values.get('data');
  const method = (values.get('method') ?? (data === undefined ? 'GET' : 'POST')).toUpperCase();
  if (url === undefined && (values.has('method') || values.has('data')))
    throw wrongUse('--method and --data belong to a URL: check URL');
  if (!canSend(method)) throw wrongUse('--method must be a method that fetch sends: GET, POST, PUT, …');
  if (data !== undefined && /^(GET|HEAD)$/.test(method)) throw wrongUse(`${method} takes no --data`);
  return url === undefined ? undefined : { url, method, data };
}

/** `fetch` refuses a few, and what is none. */
function canSend(method: string): boolean {
  try {
    return new Request('https://api.example.com', { method }).method === method;
  } catch {
    return false;
  }
}

function readUrl([url, surplus]: readonly string[]): string | undefined {
  if (surplus !== undefined) throw wrongUse(`check takes one URL, so ${quote(surplus)} is too much`);
  if (url === undefined || (/^https?:\/\//i.test(url) && URL.canParse(url))) return url;
  throw wrongUse(`${quote(withoutQuery(url))} is not a whole URL: write https://…`);
}

function readPort(text: string = '0'): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw wrongUse('--port must be a whole number from 0 to 65535');
  return Number(text);
}

function quote(word: string): string {
  return escapeControls(word.length > LONGEST_QUOTE ? `${word.slice(0, LONGEST_QUOTE)}…` : word);
}

function withoutQuery(url: string): string {
  return url.replace(/[?#].*/s, '');
}
