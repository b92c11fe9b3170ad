// Fills the generated tables of the pages that have some, each between `<!-- name -->` and `<!-- /name -->`.
// `node test/support/readmeTables.mjs` writes them; `test/repository/pages.test.ts` compares them.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  costs,
  counts,
  fleet,
  fleetInWords,
  limits,
  mcp,
  situations,
  trouble,
} from '../workshop/bench/tables.mjs';
import { measure, use } from './size.mjs';

const root = join(import.meta.dirname, '../..');

/** By page and by name: a function that makes the table. */
export const pages = {
  'test/workshop/bench/README.md': {
    sizes,
    counts,
    trouble,
    situations,
    mcp,
    fleet,
    fleetInWords,
    costs,
    limits,
  },
};

const kilobytes = (bytes) => (bytes / 1000).toFixed(1);

/** What lies between the markers of a table. */
export function tableIn(page, name) {
  const found = new RegExp(`<!-- ${name} -->\n(.*?)<!-- /${name} -->`, 's').exec(
    readFileSync(join(root, page), 'utf8'),
  );
  if (!found) throw new Error(`${page} has no table <!-- ${name} -->`);
  return found[1];
}

async function sizes() {
  const client = await measure(use('createClient'));
  const none = { minified: 0, weight: 0 };
  const rows = [
    row('`createClient`', client, none),
    row(
      '`createClient` of `thingspace-auth/browser`',
      await measure(use('createClient', 'thingspace-auth/browser')),
      none,
    ),
    row('all of `thingspace-auth`', await measure(ALL), none),
  ];
  for (const [name, entry] of ADDITIONS) {
    const module = `thingspace-auth/${entry}`;
    // A bundler only warns of a name that is not there.
    if (!(name in (await import(module)))) throw new Error(`${module} has no ${name}`);
    rows.push(row(`+ \`${name}\``, await measure(use('createClient') + use(name, module)), client));
  }
  rows.push(
    row('`createMockServer` alone', await measure(use('createMockServer', 'thingspace-auth/testing')), none),
  );
  return `| import | minified | gzip |\n| --- | --- | --- |\n${rows.join('')}`;
}

const ALL = "import * as all from 'thingspace-auth'; globalThis.used = all;";

/** What can be added to a bundle that has `createClient`. */
const ADDITIONS = [
  ['createSession', 'session'],
  ['storedToken', 'stores'],
  ['encryptedStore', 'stores'],
  ['fileStore', 'stores/file'],
  ['redisStore', 'stores/redis'],
  ['kvStore', 'stores/kv'],
  ['durableObjectStore', 'stores/durable-object'],
  ['webStore', 'stores/web'],
];

function row(label, { minified, weight }, base) {
  const [code, gzip] = [minified - base.minified, weight - base.weight].map(kilobytes);
  return `| ${label} | ${code} kB | ${gzip} kB |\n`;
}

if (process.argv[1] === import.meta.filename) {
  for (const [page, tables] of Object.entries(pages)) {
    for (const [name, make] of Object.entries(tables)) {
      const [before, after] = [tableIn(page, name), await make()];
      const text = readFileSync(join(root, page), 'utf8');
      writeFileSync(
        join(root, page),
        text.replace(`<!-- ${name} -->\n${before}`, () => `<!-- ${name} -->\n${after}`),
      );
    }
  }
}
