/**
 * A server's endpoints, read from its metadata (RFC 8414, OpenID Connect Discovery 1.0).
 * @module
 */
import type { CustomEnvironment } from './config/environments.ts';
import { checkOptions, OPTIONS, safeOrigin, settleEnvironment } from './config/settings.ts';
import { ApiError } from './core/errors.ts';
import { freezeRecord } from './core/record.ts';
import { asText } from './core/token.ts';
import { assertResponse, type Fetch, networkError, readText, timeoutAdvice } from './platform/fetch.ts';
import { runWithin } from './platform/waiting.ts';
import { shown } from './token/answer.ts';

/** The origins that may see the tokens, and the means to fetch the metadata. */
export interface DiscoverOptions {
  /**
   * As in a custom environment: the origins that `authorizedFetch` may send credentials to. Metadata does not
   * name them.
   */
  readonly apiOrigins: readonly string[];
  /** The `fetch` to use. Default: the global one. */
  readonly fetch?: Fetch | undefined;
  /** Milliseconds that the whole discovery may take. Absent or `0`: 30,000. */
  readonly timeout?: number | undefined;
  /**
   * Ends the discovery when it aborts: `discover` then rejects with the signal's reason. Absent: nothing ends
   * it early.
   */
  readonly signal?: AbortSignal | null | undefined;
}

/**
 * Asks an authorization server where its endpoints are. Returns an `environment` for `createClient`:
 * `tokenUrl`, `revocationUrl` if the server has one, the `issuer`, which signed assertions are then made out
 * to, and the `apiOrigins` that you gave.
 *
 * It asks `/.well-known/oauth-authorization-server` with the issuer's path behind it. If there is no usable
 * metadata of this issuer, it makes a second request: for the issuer's path with
 * `/.well-known/openid-configuration` behind it. It follows no redirect, reads at most 64 KiB, and takes only
 * metadata that names exactly this issuer. An https issuer may name https endpoints only. It remembers
 * nothing: call it once, at the start.
 *
 * @param issuer the server's issuer, exactly as its metadata writes it: https or on a loopback host, without
 *   credentials, query and fragment
 * @throws `TypeError` for a bad issuer or option, before any request
 * @throws `ApiError` (`invalid_response` if there is no usable metadata, `response_too_large`, `network`,
 *   `timeout`), or the reason of the signal
 * @see RFC 8414 section 3
 *
 * @example
 * ```ts
 * import { discover } from 'thingspace-auth/discover';
 *
 * const apiOrigins = ['https://api.example.com'];
 * const environment = await discover('https://auth.example.com', { apiOrigins });
 * ```
 */
export async function discover(issuer: string, options: DiscoverOptions): Promise<CustomEnvironment> {
  const { apiOrigins, fetch, timeout, signal } = checkOptions<
    DiscoverOptions,
    'apiOrigins' | 'fetch' | 'timeout'
  >(options, {
    apiOrigins: [Array.isArray, 'an array of origins', null],
    fetch: OPTIONS.fetch,
    timeout: OPTIONS.timeout,
    signal: [(value) => value === null || 'aborted' in Object(value), 'an AbortSignal'],
  });
  if (!safeOrigin(issuer, {}) || /[?#]/.test(issuer)) throw new TypeError(`issuer must be ${ISSUER_RULE}`);
  settleEnvironment({ tokenUrl: issuer, apiOrigins });
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const urls = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
  return runWithin(timeoutAdvice(issuer), timeout || 30_000, signal, (within) =>
    firstOf(urls, async (url) =>
      toEnvironment(issuer, apiOrigins, await requestMetadata(url, fetch, within)),
    ),
  );
}

const ISSUER_RULE = 'an https or loopback URL without credentials, query and fragment';

/**
 * Returns what `read` makes of the first URL for which it succeeds. If it fails for all of them, the error
 * says what was wrong with each.
 */
async function firstOf<T>(urls: readonly string[], read: (url: string) => Promise<T>): Promise<T> {
  let failure: ApiError | undefined;
  for (const url of urls) {
    try {
      return await read(url);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      failure = failure ? new ApiError(`${failure.message}; ${error.message}`, error) : error;
    }
  }
  throw failure;
}

interface MetadataAnswer {
  readonly url: string;
  readonly response: Response;
  /** `undefined` if there is more than 64 KiB. */
  readonly text: string | undefined;
}

async function requestMetadata(url: string, fetch: Fetch, signal: AbortSignal): Promise<MetadataAnswer> {
  try {
    // A redirect could lead to metadata of somebody else.
    const response = assertResponse(
      await fetch(url, { redirect: 'manual', headers: { accept: 'application/json' }, signal }),
    );
    return { url, response, text: await readText(response) };
  } catch (cause) {
    throw networkError(url, cause);
  }
}

function toEnvironment(
  issuer: string,
  apiOrigins: readonly string[],
  reply: MetadataAnswer,
): CustomEnvironment {
  if (reply.text === undefined) throw createMetadataError(reply, 'is over 64 KiB');
  const metadata = parseMetadata(reply.text);
  const named = asText(metadata.issuer);
  if (!reply.response.ok || !named) throw createMetadataError(reply, 'is not metadata');
  // RFC 8414 section 3.3: both are the same text, including a slash at the end.
  if (named !== issuer) throw createMetadataError(reply, `is that of issuer "${shown(named, [])}"`);
  try {
    const { token_endpoint: tokenUrl, revocation_endpoint } = metadata;
    const revocationUrl = revocation_endpoint ?? undefined;
    const environment = settleEnvironment({ tokenUrl, apiOrigins, revocationUrl, issuer });
    // Or metadata could lead the client's secret to a service of this machine.
    if (isHttps(issuer) && ![tokenUrl, revocationUrl ?? tokenUrl].every(isHttps))
      throw new TypeError('endpoints must be https');
    return freezeRecord<CustomEnvironment>(environment as CustomEnvironment);
  } catch (cause) {
    throw createMetadataError(reply, `is unusable: ${(cause as Error).message}`);
  }
}

function isHttps(url: string): boolean {
  return /^https/.test(String(safeOrigin(url, {})));
}

function createMetadataError(
  { url, response: { status: statusCode, headers }, text }: MetadataAnswer,
  what: string,
): ApiError {
  const code = text === undefined ? 'response_too_large' : 'invalid_response';
  return new ApiError(`${url} ${what} (status ${statusCode})`, { code, statusCode, headers });
}

function parseMetadata(text: string): Readonly<Record<string, any>> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
