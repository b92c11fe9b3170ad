// The types of the newest SDK that the recipe names, as its own documentation has them.
export type OAuthToken = { accessToken: string; tokenType: string; expiresIn?: number; scope?: string };

export type OAuth2ClientCredentials = {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope?: string | undefined;
};

export type OAuth2TokenStrategy<TCredentials> = {
  getToken(credentials: TCredentials, signal: AbortSignal): Promise<OAuthToken>;
};

export type TokenProvider = string | (() => string | Promise<string>);

export type ClientOptions = {
  readonly fetch?: typeof fetch | undefined;
  readonly thingspaceOauth?: OAuth2ClientCredentials | undefined;
  readonly thingspaceOauthStrategy?: OAuth2TokenStrategy<OAuth2ClientCredentials> | undefined;
  readonly vzM2MToken?: TokenProvider | undefined;
};

type Device = { deviceIds?: { id: string; kind?: string }[] };

export declare class VerizonClient {
  constructor(options?: ClientOptions);
  get deviceManagement(): {
    listDevicesInformation(
      request: { body: { accountName?: string; maxNumberOfDevices?: number; largestDeviceIdSeen?: number } },
      options?: { signal?: AbortSignal | undefined },
    ): Promise<{ devices?: Device[]; hasMoreData?: boolean }>;
  };
}
