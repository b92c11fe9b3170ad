// The types of the older SDK that the recipe names, as its own documentation has them. What runs is
// ../migration/generatedSdk.mjs.
export interface OauthToken {
  accessToken: string;
  tokenType: string;
  expiresIn?: bigint;
  scope?: string;
  expiry?: bigint;
}

export declare class Client {
  constructor(configuration: {
    thingspaceOauthCredentials?: {
      oauthClientId: string;
      oauthClientSecret: string;
      oauthTokenProvider?: (
        lastOAuthToken: OauthToken | undefined,
        authManager: unknown,
      ) => Promise<OauthToken>;
    };
    vZM2mTokenCredentials?: { 'VZ-M2M-Token': string };
  });
}

export declare class DeviceManagementController {
  constructor(client: Client);
  listDevicesInformation(body: {
    accountName?: string;
    maxNumberOfDevices?: number;
  }): Promise<{ result: { devices?: { deviceIds?: { id: string }[] }[]; hasMoreData?: boolean } }>;
}
