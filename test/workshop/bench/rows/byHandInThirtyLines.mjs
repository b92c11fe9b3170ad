// The thirty lines that an expert writes: a shared promise, a refresh ahead of the end, and one replay after
// a 401.
import { requestToken } from '../requestToken.mjs';

export function connect(world) {
  const { apiUrl, fetch } = world;
  let token;
  let endsAt = 0;
  let flight;
  return {
    async call(url = apiUrl, init) {
      const sent = await accessToken();
      const response = await send(sent, url, init);
      if (response.status !== 401) return response;
      await response.body?.cancel();
      return send(sent === token ? await renew() : token, url, init);
    },
  };

  async function accessToken() {
    const leftMs = endsAt - Date.now();
    if (leftMs < 10_000) return renew();
    if (leftMs < 300_000) renew().catch(() => {});
    return token;
  }

  function renew() {
    flight ??= requestToken(world)
      .then(keep)
      .finally(() => (flight = undefined));
    return flight;
  }

  function keep({ access_token, expires_in }) {
    endsAt = Date.now() + expires_in * 1000;
    return (token = access_token);
  }

  function send(accessToken, url, init) {
    return fetch(url, { ...init, headers: { ...init?.headers, authorization: `Bearer ${accessToken}` } });
  }
}
