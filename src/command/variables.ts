/**
 * The variables that the command goes by, and the configuration that they make.
 * @module
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import * as util from 'node:util';
import { configFromEnvironment, createClient, type VariablesConfig } from '../index.ts';
import { nearest } from './nearest.ts';
import { Stop } from './stop.ts';
import { escapeControls, type Variables } from './text.ts';

const PREFIX = 'THINGSPACE_';

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
  'USERNAME',
  'PASSWORD',
].map((name) => PREFIX + name);

/** The variables of the process, and of a file those that are not set. An empty variable is not set. */
export function readVariables(envFile: string | undefined): Variables {
  const { env } = process;
  if (envFile === undefined) return env;
  const isSet = ([, value]: [string, string | undefined]) => !!value?.trim();
  return { ...readEnvFile(envFile), ...Object.fromEntries(Object.entries(env).filter(isSet)) };
}

function readEnvFile(path: string): Variables {
  if (!util.parseEnv)
    throw new Stop(
      'This version of Node cannot read --env',
      'Use Node 20.12 or later, or set the variables.',
    );
  try {
    return util.parseEnv(readFileSync(path, 'utf8')) as Variables;
  } catch (error) {
    throw new Stop(
      `The file of --env cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'Give the path of a file with lines NAME=value.',
    );
  }
}

/** The names of the variables that are set. */
export function namesSet(env: Variables): string[] {
  return KNOWN_NAMES.filter((name) => env[name]?.trim()).sort();
}

/** For each name that nobody reads, a sentence. It is most often a known one, misspelt. */
export function warnOfUnknown(env: Variables): string[] | undefined {
  const unknown = Object.keys(env).filter((name) => name.startsWith(PREFIX) && !KNOWN_NAMES.includes(name));
  const warnings = unknown.map(
    (name) => `nothing reads ${escapeControls(name)}; did you mean ${nearest(name, KNOWN_NAMES)}?`,
  );
  return warnings.length ? warnings.sort() : undefined;
}

/** Throws a {@link Stop} that says what is wrong with the variables. */
export function readConfig(env: Variables): VariablesConfig {
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
