/**
 * The variables that the command goes by, and the configuration that they make.
 * @module
 */
import process from 'node:process';
import { configFromEnvironment, createClient, type KnownScopesConfig } from '../index.ts';
import { readEnvFile } from './envFile.ts';
import { nearest } from './nearest.ts';
import { Stop } from './stop.ts';
import { isVariableName, PREFIX, type Variables } from './text.ts';

/** Those of `configFromEnvironment`, and of the M2M login. */
const KNOWN_NAMES = [
  'CLIENT_ID',
  'CLIENT_SECRET',
  'SCOPES',
  'M2M_TOKEN',
  'ENVIRONMENT',
  'TIMEOUT',
  'TOKEN_URL',
  'API_ORIGINS',
  'SESSION_URL',
  'CLIENT_AUTHENTICATION',
  'TOKEN_PARAMS',
  'USERNAME',
  'PASSWORD',
].map((name) => PREFIX + name);

/** A command's variables and configuration. */
export interface Setting {
  readonly env: Variables;
  /** A sentence on the lines of the file that are not read. They are told by their numbers alone. */
  readonly fileWarnings: readonly string[];
}

/** The variables of the process, and of a file those that are not set. An empty variable is not set. */
export function readSetting(envFile: string | undefined): Setting {
  const { env } = process;
  if (envFile === undefined) return { env, fileWarnings: [] };
  const { variables, unreadLines } = readEnvFile(envFile);
  const isSet = ([, value]: [string, string | undefined]) => !!value?.trim();
  return {
    env: { ...variables, ...Object.fromEntries(Object.entries(env).filter(isSet)) },
    fileWarnings: warnOfLines(unreadLines),
  };
}

function warnOfLines(numbers: readonly number[]): string[] {
  const [first, ...more] = numbers;
  if (first === undefined) return [];
  const are = more.length
    ? `lines ${numbers.join(', ')} of the --env file are`
    : `line ${first} of the --env file is`;
  return [`${are} not read: write NAME=value, with both quotes in one line`];
}

/** The names of the variables that are set. */
export function namesSet(env: Variables): string[] {
  return KNOWN_NAMES.filter((name) => env[name]?.trim()).sort();
}

/**
 * For each name that nobody reads, a sentence. It is most often a known one, misspelt. What is no name is not
 * shown: `node --env-file` may have made it of a line with a secret.
 */
export function warnOfUnknown(env: Variables): string[] {
  const unknown = Object.keys(env).filter((name) => name.startsWith(PREFIX) && !KNOWN_NAMES.includes(name));
  const names = unknown.filter(isVariableName).sort();
  const warnings = names.map((name) => {
    const guess = nearest(name, KNOWN_NAMES);
    return `nothing reads ${name}${guess ? `; did you mean ${guess}?` : ''}`;
  });
  const others = unknown.length - names.length;
  if (others)
    warnings.push(
      `${others} not read: the name begins with ${PREFIX}, but has more than capitals, digits and ` +
        'underscores; look for a line without = in the file of --env-file',
    );
  return warnings;
}

/** Throws a {@link Stop} that names all that are missing, of names without their prefix. */
export function requireVariables(env: Variables, wanted: readonly string[]): void {
  const set = namesSet(env);
  const missing = wanted.map((name) => PREFIX + name).filter((name) => !set.includes(name));
  if (missing.length)
    throw new Stop(
      `${missing.join(', ').replace(/, (?=\w+$)/, ' and ')} must be set`,
      `Set ${missing.length > 1 ? 'them' : 'it'} in the environment, or in a file for --env.`,
    );
}

/** Throws a {@link Stop} that says what is wrong with the variables. */
export function readConfig(env: Variables): KnownScopesConfig {
  try {
    const config = configFromEnvironment({ env });
    createClient(config); // its rules
    return config;
  } catch (error) {
    throw new Stop(
      (error as Error).message,
      'Set or correct the variable: npx thingspace-auth --help lists all.',
    );
  }
}
