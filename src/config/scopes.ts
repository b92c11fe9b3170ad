/**
 * The scopes of Verizon ThingSpace and 5G Edge. The type holds the known ones. At run time any RFC 6749 scope
 * token passes, so that a new scope of the vendor needs no new release.
 * @module
 */

/**
 * The known scopes by the names that the vendor's documentation uses; the values are what goes over the wire.
 * A plain object, no TypeScript `enum`: `OauthScopeEnum.Discoveryread` and `'discovery:read'` are the same.
 *
 * @see https://github.com/sdks-io/verizon-apis-js-sdk/tree/1.6.0/doc/auth/oauth-2-client-credentials-grant.md
 */
export const OauthScopeEnum = {
  /** Grant read-only access to discovery data. */
  Discoveryread: 'discovery:read',
  /** Grant read-only access to service profile data. */
  Serviceprofileread: 'serviceprofile:read',
  /** Grant write access to service profile data. */
  Serviceprofilewrite: 'serviceprofile:write',
  /** Grant read-only access to service registry data. */
  Serviceregistryread: 'serviceregistry:read',
  /** Grant write access to service registry data. */
  Serviceregistrywrite: 'serviceregistry:write',
  /** Full access for /serviceprofiles and /serviceendpoints. */
  TsMecFullaccess: 'ts.mec.fullaccess',
  /** Limited access: discovery, without /serviceprofiles and /serviceendpoints. */
  TsMecLimitaccess: 'ts.mec.limitaccess',
  /** No description published. */
  TsApplicationRo: 'ts.application.ro',
  /** Read access. */
  Read: 'read',
  /** Read and write access. */
  Write: 'write',
  /** Grant read-only access to discovery data on the edge services. */
  Edgediscoveryread: 'edge:discovery:read',
  /** Grant read-only access to service profile data on the edge services. */
  Edgeserviceprofileread: 'edge:serviceprofile:read',
  /** Grant write access to service profile data on the edge services. */
  Edgeserviceprofilewrite: 'edge:serviceprofile:write',
  /** Grant read-only access to service registry data on the edge services. */
  Edgeserviceregistryread: 'edge:serviceregistry:read',
  /** Grant write access to service registry data on the edge services. */
  Edgeserviceregistrywrite: 'edge:serviceregistry:write',
} as const;

/** One of the known scopes, as it goes over the wire. */
export type OauthScope = (typeof OauthScopeEnum)[keyof typeof OauthScopeEnum];
