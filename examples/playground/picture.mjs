// Makes the pictures of the README, one for light and one for dark pages: a call with its token, and a
// replay. They are drawn by the playground's own code, of what its own client did. Wants dist/ to be built.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const source = import.meta.dirname;
const folder = join(source, '../../.github');
const WIDTH = 760;
const PADDING = 12;
const TITLE =
  'A call gets a token and is answered. The server revokes the token. The next call is refused, gets another token, and is sent again.';
const STEPS = [
  'The first call gets a token',
  'The server revokes the token',
  'The next call is refused, gets another token, and is sent again',
];

/** By path: what belongs there. */
export async function drawPictures() {
  const { createSimulation, drawHeads, drawRows, svgOf } = await load();
  const rows = await rowsOfReplay(createSimulation);
  const plan = { width: WIDTH, parties: ['app', 'client', 'token', 'api'] };
  const [heads, body] = [drawHeads(plan), drawRows(rows, plan)];
  return Object.fromEntries(
    ['light', 'dark'].map((scheme) => {
      const style = readFileSync(join(source, 'diagram.css'), 'utf8').replace(
        /var\((--\w[\w-]*)\)/g,
        (_, name) => colours(scheme)[name],
      );
      const [width, height] = [WIDTH + 2 * PADDING, heads.height + body.height + 2 * PADDING];
      const content = [
        `<style>\n${style}</style>\n`,
        `<rect width="${width}" height="${height}" rx="10" fill="${colours(scheme)['--panel']}"/>\n`,
        `<g transform="translate(${PADDING} ${PADDING})">${heads.content}</g>\n`,
        `<g transform="translate(${PADDING} ${PADDING + heads.height})">${body.content}</g>\n`,
      ].join('');
      const svg = svgOf({ height, content }, width, { role: 'img', 'aria-label': TITLE });
      return [
        join(folder, `one-call-${scheme}.svg`),
        `${svg.replaceAll(/(?=<(?:line|rect|path|text) )/g, '\n')}\n`,
      ];
    }),
  );
}

async function rowsOfReplay(createSimulation) {
  const nothing = () => {};
  const simulation = createSimulation(
    { onChange: nothing, onRow: nothing, onOutcome: nothing },
    { shiftMs: 0 },
  );
  await simulation.call(1);
  simulation.revoke();
  await simulation.call(1);
  const labels = [...STEPS];
  return simulation.rows.map((row) =>
    row.kind === 'step' ? { ...row, label: labels.shift(), time: '' } : row,
  );
}

/** The custom properties of the page's style. */
function colours(scheme) {
  const [light, dark] = [
    ...readFileSync(join(source, 'style.css'), 'utf8').matchAll(/:root \{(.*?)\}/gs),
  ].map(([, declarations]) =>
    Object.fromEntries(
      [...declarations.matchAll(/(--[\w-]+): (.*?);/g)].map(([, name, value]) => [name, value]),
    ),
  );
  return scheme === 'light' ? light : { ...light, ...dark };
}

async function load() {
  const { outputFiles } = await build({
    stdin: { contents: "export * from './diagram.ts'; export * from './simulation.ts';", resolveDir: source },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}

if (process.argv[1] === import.meta.filename) {
  for (const [path, picture] of Object.entries(await drawPictures())) writeFileSync(path, picture);
}
