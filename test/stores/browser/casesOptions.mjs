/** Web Storage leaves ends to its readers. */
export const casesOptions = { ttlSeconds: undefined };
