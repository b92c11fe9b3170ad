import axios from 'axios';
import { clientCredentials } from 'axios-oauth-client';
import tokenInterceptor from 'axios-token-interceptor';

export function connect({ tokenUrl, apiUrl, axiosOptions, clientId, clientSecret }) {
  const getToken = clientCredentials(axios.create(axiosOptions), tokenUrl, clientId, clientSecret);
  const cached = tokenInterceptor.tokenCache(() => getToken(), { getMaxAge: (token) => token.expires_in * 1000 });
  const client = axios.create({ ...axiosOptions, validateStatus: () => true });
  client.interceptors.request.use(
    tokenInterceptor({ getToken: cached, headerFormatter: ({ access_token }) => `Bearer ${access_token}` }),
  );
  return { call: () => client.get(apiUrl) };
}
