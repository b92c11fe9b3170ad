// Keep the types of Verizon's older SDK (verizonlib, to 5.12), and get its tokens here: one token request for
// all calls. It takes no `fetch`: a call that meets a 401 fails, and so do all others until the token ends.
import { configFromEnvironment, createClient } from 'thingspace-auth';
import { Client, DeviceManagementController, type OauthToken } from 'verizonlib';

const { getToken } = createClient({
  ...configFromEnvironment(),
  onEvent: ({ type, ...details }) => {
    if (type === 'token_failed') console.error(type, details); // the SDK only says that it has no valid token
  },
});

async function provideToken(): Promise<OauthToken> {
  try {
    const { accessToken, tokenType, expiry } = await getToken();
    return { accessToken, tokenType, ...(expiry && { expiry: BigInt(expiry) }) };
  } catch {
    // The SDK would fail for ever with a provider that has rejected once. With a token that has ended, this
    // call fails, and the next one asks again.
    return { accessToken: '', tokenType: 'Bearer', expiry: 1n };
  }
}

const sdk = new Client({
  thingspaceOauthCredentials: {
    oauthClientId: 'not used',
    oauthClientSecret: 'not used',
    oauthTokenProvider: provideToken,
  },
  vZM2mTokenCredentials: { 'VZ-M2M-Token': process.env.THINGSPACE_M2M_TOKEN ?? '' },
});

const { result } = await new DeviceManagementController(sdk).listDevicesInformation({
  maxNumberOfDevices: 10,
});
for (const { deviceIds } of result.devices ?? []) console.log(deviceIds?.map(({ id }) => id).join(', '));
