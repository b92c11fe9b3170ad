// Loads the built modules one by one instead of the entries in one file each, which hold some of them twice.
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, next) {
    const { url, ...resolved } = next(specifier, context);
    return { ...resolved, url: url.replace(/\/dist\/node\/(.*)\.mjs$/, '/dist/$1.js') };
  },
});
