import { defineConfig } from 'vite';

export default defineConfig({ build: { ssr: 'server.mjs' }, ssr: { noExternal: true } });
