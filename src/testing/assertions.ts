/**
 * Judges a client's assertion for the mock server (RFC 7523 section 3). Its words about a bad one are for the
 * person who writes the client.
 * @module
 */
import { isSignedWith, type Jws, type PublicJwk, parseJws, type VerificationKey } from './jws.ts';

/** How a client is known: by a secret, or by a public key. */
export type ClientKey = string | VerificationKey | PublicJwk;

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const CLOCK_TOLERANCE_SECONDS = 60;

/** An assertion that came with a form; absent: there was none. */
export interface Assertion {
  readonly jws: Jws | undefined;
  /** Whether its signature is that of the client that it names. */
  readonly isSigned: boolean;
}

/**
 * Reads an assertion, and verifies only its signature, which is what takes time. Without known
 * clients any signature will do.
 */
export async function readAssertion(
  form: URLSearchParams,
  clients: Readonly<Record<string, ClientKey>> | undefined,
): Promise<Assertion | undefined> {
  const text = form.get('client_assertion');
  if (text === null) return undefined;
  const jws = parseJws(text);
  const key = clients && knownKey(clients, String(jws?.claims.sub));
  const isSigned = jws !== undefined && (!clients || (key !== undefined && (await isSignedWith(jws, key))));
  return { jws, isSigned };
}

function knownKey(clients: Readonly<Record<string, ClientKey>>, name: string): ClientKey | undefined {
  return Object.hasOwn(clients, name) ? clients[name] : undefined;
}

/**
 * What is wrong with an assertion; `undefined`: nothing. `seen` holds the ids of all assertions that came
 * before, and gets the id of this one if it is good.
 */
export function assertionFault(
  { jws, isSigned }: Assertion,
  form: URLSearchParams,
  audiences: readonly string[],
  nowMs: number,
  seen: Set<string>,
): string | undefined {
  if (form.get('client_assertion_type') !== TYPE) return `client_assertion_type must be ${TYPE}.`;
  if (!jws) return 'The assertion is not a signed JWT.';
  const { iss, sub, aud, exp, iat, jti } = jws.claims;
  const nowSeconds = nowMs / 1000;
  if (typeof sub !== 'string' || iss !== sub) return 'The assertion must name the client as iss and sub.';
  if ((form.get('client_id') ?? sub) !== sub) return 'client_id must be that of the assertion.';
  if (![aud].flat().some((each) => audiences.includes(each)))
    return `The audience of the assertion must be one of ${audiences.join(', ')}.`;
  if (!isSigned) return 'The client is unknown, or its assertion is not signed with its key.';
  if (typeof exp !== 'number' || exp <= nowSeconds)
    return 'The assertion has expired, by the clock of this server.';
  if (iat > nowSeconds + CLOCK_TOLERANCE_SECONDS)
    return 'The assertion is from the future, by the clock of this server.';
  if (typeof jti !== 'string' || seen.has(jti)) return 'The assertion has been used before, or has no jti.';
  seen.add(jti);
  return undefined;
}
