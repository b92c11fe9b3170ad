// Stands in for the vendor's newest SDK, which is not on npm. It has as much of its documented shape
// (github.com/context-plugins/verizon-typescript-sdk, sdk-map.md) as the recipes use, and was written for
// their tests: an option that is not given sends nothing; a token is kept until 30 s before its end, fetched
// once for all that wait, and dropped at a 401; the call that met the 401 fails.
const THINGSPACE = 'https://thingspace.verizon.com/api';

export class ApiError extends Error {
  constructor(status) {
    super(`${status}`);
    this.status = status;
  }
}

export class VerizonClient {
  #send;
  #credentials;
  #strategy;
  #sessionToken;
  #token;
  #flight;

  constructor(options = {}) {
    const { fetch = globalThis.fetch, thingspaceOauth, thingspaceOauthStrategy, vzM2MToken } = options;
    this.#send = fetch;
    this.#credentials = thingspaceOauth;
    this.#strategy = thingspaceOauthStrategy;
    this.#sessionToken = vzM2MToken;
  }

  get deviceManagement() {
    return {
      listDevicesInformation: ({ body }, { signal } = {}) =>
        this.#call('POST', '/m2m/v1/devices/actions/list', body, signal),
    };
  }

  async #call(method, path, body, signal = new AbortController().signal) {
    const headers = new Headers({ 'content-type': 'application/json' });
    if (this.#credentials) headers.set('authorization', `Bearer ${await this.#accessToken(signal)}`);
    const sessionToken =
      typeof this.#sessionToken === 'function' ? await this.#sessionToken() : this.#sessionToken;
    if (sessionToken) headers.set('vz-m2m-token', sessionToken);
    const url = new URL(`${THINGSPACE}${path}`);
    const response = await this.#send.call(undefined, url, {
      method,
      headers,
      body: JSON.stringify(body),
      signal,
    });
    if (response.status === 401) this.#token = undefined;
    if (!response.ok) throw new ApiError(response.status);
    return response.json();
  }

  async #accessToken(signal) {
    if (this.#token && Date.now() < this.#token.endsAtMs) return this.#token.accessToken;
    this.#flight ??= this.#strategy
      .getToken(this.#credentials, signal)
      .then(({ accessToken, expiresIn }) => {
        const endsAtMs = expiresIn > 0 ? Date.now() + (expiresIn - 30) * 1000 : Infinity;
        this.#token = { accessToken, endsAtMs };
        return accessToken;
      })
      .finally(() => (this.#flight = undefined));
    return this.#flight;
  }
}
