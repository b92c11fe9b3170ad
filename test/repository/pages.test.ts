import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../../..');
const { pages, tableIn } = await import(join(root, 'test/support/readmeTables.mjs'));
const HOW = 'run `node test/support/readmeTables.mjs` and commit what it writes';

/** Sizes may differ by a tenth of a kilobyte, which is less than a compressor's version. */
const TOLERANCE = 0.15;

for (const [page, tables] of Object.entries<Record<string, () => string | Promise<string>>>(pages)) {
  for (const [name, make] of Object.entries(tables)) {
    test(`${page} shows ${name} as it is measured`, async () => {
      const [shown, measured] = [figuresOf(tableIn(page, name)), figuresOf(await make())];

      assert.equal(shown.text, measured.text, HOW);
      for (const [index, figure] of measured.kilobytes.entries()) {
        assert.ok(Math.abs(figure - shown.kilobytes[index]!) <= TOLERANCE, `${figure} kB: ${HOW}`);
      }
    });
  }
}

function figuresOf(table: string): { text: string; kilobytes: number[] } {
  const pattern = /\d+\.\d(?= kB)/g;
  return { text: table.replace(pattern, '…'), kilobytes: (table.match(pattern) ?? []).map(Number) };
}
