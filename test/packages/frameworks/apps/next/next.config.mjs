import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

export default {
  output: 'standalone',
  outputFileTracingRoot: root,
  turbopack: { root },
  // Traced and copied instead of bundled, as for every package that is named here.
  serverExternalPackages: ['thingspace-auth'],
};
