/**
 * The addresses of the vendor's environments. Data only.
 * @module
 */

/**
 * The names of the vendor's environments. A plain object, no TypeScript `enum`.
 *
 * @see https://github.com/sdks-io/verizon-apis-js-sdk
 */
export const Environment = {
  /** The real service; the default. */
  Production: 'Production',
  /** The vendor's own public mock. */
  MockServerForLimitedAvailabilitySeeQuickStart: 'MockServerForLimitedAvailabilitySeeQuickStart',
  /** The vendor's staging systems. */
  Staging: 'Staging',
} as const;

/**
 * The name of one of the vendor's environments.
 *
 * @see https://github.com/sdks-io/verizon-apis-js-sdk
 */
export type Environment = (typeof Environment)[keyof typeof Environment];

/** An OAuth 2 server of your own, and the APIs that may see its tokens. */
export interface CustomEnvironment {
  /**
   * The token endpoint (RFC 6749 section 3.2). It must be https, except on a loopback host or with
   * `allowInsecureRequests`.
   */
  readonly tokenUrl: string;
  /**
   * The origins that `authorizedFetch` may send credentials to: `'https://api.example.com'`, or
   * `'https://*.example.com'` for its subdomains (not for `example.com` itself). `['*']` allows calls to
   * every origin; only a redirect to another origin then still loses the credentials.
   */
  readonly apiOrigins: readonly string[];
  /** The revocation endpoint (RFC 7009 section 2). Absent: `revokeToken` rejects with a `TypeError`. */
  readonly revocationUrl?: string | undefined;
  /**
   * The URL below which `createSession` finds `/login` and `/logout`. Default: `/api/m2m/v1/session`
   * on the token URL's origin.
   */
  readonly sessionUrl?: string | undefined;
  /**
   * The server's issuer (RFC 8414 section 2), exactly as the server writes it. `discover` brings it. Absent:
   * signed assertions are made out to the token endpoint's URL instead.
   */
  readonly issuer?: string | undefined;
  /**
   * Allows plain http to every host. For test networks only, since anybody on the way can then read the
   * secrets. Default `false`.
   */
  readonly allowInsecureRequests?: boolean | undefined;
}

/** The endpoints of each named environment, in the shape of a custom one. */
export const ENVIRONMENTS: Readonly<Record<string, CustomEnvironment>> = {
  Production: /* @__PURE__ */ at(
    'https://thingspace.verizon.com',
    'https://5gedge.verizon.com',
    'https://imp.thingspace.verizon.com',
  ),
  MockServerForLimitedAvailabilitySeeQuickStart: /* @__PURE__ */ at('https://mock.thingspace.verizon.com'),
  Staging: /* @__PURE__ */ at(
    'https://staging.thingspace.verizon.com',
    'https://staging.5gedge.verizon.com',
    'https://imp-staging.thingspace.verizon.com',
  ),
} satisfies Record<Environment, CustomEnvironment>;

/** Makes an environment. The token endpoint is on the first of its origins. */
function at(...apiOrigins: string[]): CustomEnvironment {
  const url = `${apiOrigins[0]}/api/ts/v1/oauth2/`;
  return { tokenUrl: `${url}token`, revocationUrl: `${url}revoke`, apiOrigins };
}

/** Whether a URL holds no user name and no password. */
export function isBare({ href, origin }: URL): boolean {
  return href.startsWith(`${origin}/`);
}
