import axios from 'axios';

export function connect({ apiUrl, axiosOptions }) {
  const client = axios.create({
    ...axiosOptions,
    headers: { authorization: 'Bearer invented' },
    validateStatus: () => true,
  });
  return { call: (url = apiUrl, init) => client.get(url, init) };
}
