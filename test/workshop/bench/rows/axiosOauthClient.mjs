import axios from 'axios';
import { clientCredentials } from 'axios-oauth-client';
import tokenInterceptor from 'axios-token-interceptor';

export function connect({ tokenUrl, apiUrl, axiosOptions, clientId, clientSecret }) {
  const send = (config) => axios({ ...axiosOptions, ...config });
  const getToken = clientCredentials(send, tokenUrl, clientId, clientSecret);
  const cached = tokenInterceptor.tokenCache(() => getToken(), {
    getMaxAge: (token) => token.expires_in * 1000,
  });
  const client = axios.create({ ...axiosOptions, validateStatus: () => true });
  client.interceptors.request.use(
    tokenInterceptor({ getToken: cached, headerFormatter: ({ access_token }) => `Bearer ${access_token}` }),
  );
  return { call: (url = apiUrl, init) => client.get(url, init) };
}
