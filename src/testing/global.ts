/**
 * Lets a program run without an account: `node --import thingspace-auth/testing/global program.mjs`. It is
 * imported for its effect only. From then on the global `fetch` leads requests to Verizon's hosts (https) to
 * a mock ThingSpace, and passes all others on as they are. `THINGSPACE_CLIENT_ID`,
 * `THINGSPACE_CLIENT_SECRET`, `THINGSPACE_SCOPES`, `THINGSPACE_USERNAME` and `THINGSPACE_PASSWORD` get
 * invented values where they are missing or empty. One line on standard error says that it is on.
 *
 * @module
 */
import { createMockServer } from '../testing.ts';
import type { FetchInput } from './receive.ts';

/** Those of all named environments. Written out, since the mock shares no code with the client. */
const ORIGINS = [
  'https://thingspace.verizon.com',
  'https://5gedge.verizon.com',
  'https://imp.thingspace.verizon.com',
  'https://mock.thingspace.verizon.com',
  'https://staging.thingspace.verizon.com',
  'https://staging.5gedge.verizon.com',
  'https://imp-staging.thingspace.verizon.com',
];

const INVENTED: Readonly<Record<string, string>> = {
  THINGSPACE_CLIENT_ID: 'invented-key',
  THINGSPACE_CLIENT_SECRET: 'invented-secret',
  THINGSPACE_USERNAME: 'invented-user',
  THINGSPACE_PASSWORD: 'invented-password',
};

replaceFetch();
inventVariables();
sayThatItIsOn();

function replaceFetch(): void {
  const mock = createMockServer();
  const { fetch: platformFetch } = globalThis;
  // All arguments are passed on: Bun and Deno take some of their own.
  const fetch = (...parameters: Parameters<typeof globalThis.fetch>) =>
    isOfVerizon(parameters[0]) ? mock.fetch(...parameters) : platformFetch(...parameters);
  globalThis.fetch = Object.assign(fetch, platformFetch);
}

function isOfVerizon(input: FetchInput): boolean {
  const url = typeof input === 'object' && 'url' in input ? input.url : String(input);
  return URL.canParse(url) && ORIGINS.includes(new URL(url).origin);
}

/**
 * `THINGSPACE_M2M_TOKEN` stays as it is: the mock knows only sessions that began with a login. Another
 * server may not have an invented scope.
 */
function inventVariables(): void {
  const { env } = (globalThis as { process?: { env?: Record<string, string | undefined> } }).process ?? {};
  if (!env) return;
  const isSet = (name: string) => !!env[name]?.trim();
  const isOtherServer = isSet('THINGSPACE_TOKEN_URL') || isSet('THINGSPACE_API_ORIGINS');
  const invented = isOtherServer ? INVENTED : { ...INVENTED, THINGSPACE_SCOPES: 'discovery:read' };
  for (const [name, value] of Object.entries(invented)) if (!isSet(name)) env[name] = value;
}

/** Left over in a `NODE_OPTIONS`, it would otherwise answer in production without anybody knowing. */
function sayThatItIsOn(): void {
  const [first, ...others] = ORIGINS;
  const answers = `a mock answers for ${first} and ${others.length} other hosts`;
  console.error(`thingspace-auth/testing/global: ${answers}`);
}
