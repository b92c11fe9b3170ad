import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const root = join(import.meta.dirname, '../..');

describe('the types', () => {
  const diagnostics = compile();

  it('let pass what must compile', () => {
    assert.deepEqual(diagnostics.filter(({ file }) => !file.endsWith('errors.ts')), []);
  });

  const lines = readFileSync(join(root, 'test/types/errors.ts'), 'utf8').split('\n');
  const expected = lines.flatMap((line, index) => {
    const words = /^\s*\/\/ THROWS (.*)$/.exec(line)?.[1];
    // Lines are counted from 1; the wrong one comes after.
    return words ? [{ words, line: index + 2 }] : [];
  });

  for (const { words, line } of expected) {
    it(`refuse line ${line}: ${lines[line - 1]?.trim()}`, () => {
      const found = diagnostics.filter((each) => each.file.endsWith('errors.ts') && each.line === line);
      assert.ok(found.length > 0, 'it compiles');
      assert.ok(found.some(({ message }) => message.includes(words)), found.map(({ message }) => message).join('\n'));
    });
  }

  it('refuse no other line', () => {
    assert.ok(expected.length > 20);
    const wanted = new Set(expected.map(({ line }) => line));
    assert.deepEqual(diagnostics.filter(({ file, line }) => file.endsWith('errors.ts') && !wanted.has(line)), []);
  });
});

interface Diagnostic {
  readonly file: string;
  readonly line: number;
  /** With the further lines that explain it. */
  readonly message: string;
}

function compile(): Diagnostic[] {
  const typescript = createRequire(import.meta.url).resolve('typescript/package.json');
  const tsc = join(typescript, '../bin/tsc');
  const { stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', 'test/types', '--pretty', 'false'], { cwd: root, encoding: 'utf8' });
  assert.equal(stderr, '');
  const diagnostics = stdout.split(/\n(?=\S)/).filter((text) => text.trim());
  return diagnostics.map((text) => {
    const [, file = text, line = '0', message = text] = /^(\S+)\((\d+),\d+\): error TS\d+: ([\s\S]*)$/.exec(text) ?? [];
    return { file, line: Number(line), message };
  });
}
