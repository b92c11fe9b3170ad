/**
 * Where the vendor's environments live: data only.
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
  /** The token endpoint (RFC 6749 section 3.2). https, unless the host is a loopback one. */
  readonly tokenUrl: string;
  /**
   * The origins that `authorizedFetch` may send credentials to: `'https://api.example.com'`, or
   * `'https://*.example.com'` for its subdomains (not for `example.com` itself). `['*']` switches the guard off.
   */
  readonly apiOrigins: readonly string[];
  /** The revocation endpoint (RFC 7009 section 2); absent: `revokeToken` is a `TypeError`. */
  readonly revocationUrl?: string | undefined;
  /** Where `createSession` finds `/login` and `/logout`; default: `/api/m2m/v1/session` on the token URL's origin. */
  readonly sessionUrl?: string | undefined;
  /** Allows plain http to hosts that are no loopback ones: test networks only, since secrets then travel in the clear. Default `false`. */
  readonly allowInsecureRequests?: boolean | undefined;
}

/** The endpoints of each named environment, in the shape of a custom one. */
export const ENVIRONMENTS: Readonly<Record<string, CustomEnvironment>> = {
  Production: /* @__PURE__ */ at('https://thingspace.verizon.com', 'https://5gedge.verizon.com', 'https://imp.thingspace.verizon.com'),
  MockServerForLimitedAvailabilitySeeQuickStart: /* @__PURE__ */ at('https://mock.thingspace.verizon.com'),
  Staging: /* @__PURE__ */ at('https://staging.thingspace.verizon.com', 'https://staging.5gedge.verizon.com'),
} satisfies Record<Environment, CustomEnvironment>;

/** The first of the origins is the token endpoint's too. */
function at(...apiOrigins: string[]): CustomEnvironment {
  const url = `${apiOrigins[0]}/api/ts/v1/oauth2/`;
  return { tokenUrl: `${url}token`, revocationUrl: `${url}revoke`, apiOrigins };
}

/** Whether a URL brings no credentials of its own. */
export function isBare({ href, origin }: URL): boolean {
  return href.startsWith(`${origin}/`);
}
