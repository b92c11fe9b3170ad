import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, test } from 'node:test';

const root = join(import.meta.dirname, '../../..');

describe('the types', () => {
  const diagnostics = compile();

  test('let pass what must compile', () => {
    assert.deepEqual(
      diagnostics.filter(({ file }) => !file.endsWith('errors.ts')),
      [],
    );
  });

  const lines = readFileSync(join(root, 'test/types/errors.ts'), 'utf8').split('\n');
  const expected = lines.flatMap((line, index) => {
    const [, verb, words] = /^\s*\/\/ (THROWS|PRINTS) (.*)$/.exec(line) ?? [];
    if (!words) return [];
    // Lines are counted from 1. What is wrong stands in the lines after the comment, up to the next comment.
    const length = lines.slice(index + 1).findIndex((each) => /^\s*\/\/|^$/.test(each));
    const end = length < 0 ? lines.length : index + 1 + length;
    return [{ words, line: index + 2, end, isWhole: verb === 'PRINTS' }];
  });

  for (const { words, line, end, isWhole } of expected) {
    test(`refuse line ${line}: ${lines[line - 1]?.trim()}`, () => {
      const found = diagnostics
        .filter((each) => each.file.endsWith('errors.ts') && each.line >= line && each.line <= end)
        .map(({ message }) => message);
      assert.ok(found.length > 0, 'it compiles');
      if (isWhole) assert.deepEqual(found, [words]);
      else
        assert.ok(
          found.some((message) => message.includes(words)),
          found.join('\n'),
        );
    });
  }

  test('refuse no other line', () => {
    assert.ok(expected.length > 20);
    const isWanted = (line: number) => expected.some((each) => line >= each.line && line <= each.end);
    assert.deepEqual(
      diagnostics.filter(({ file, line }) => file.endsWith('errors.ts') && !isWanted(line)),
      [],
    );
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
  const { stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', 'test/types', '--pretty', 'false'], {
    cwd: root,
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  const diagnostics = stdout
    .trimEnd()
    .split(/\n(?=\S)/)
    .filter((text) => text.trim());
  return diagnostics.map((text) => {
    const [, file = text, line = '0', message = text] =
      /^(\S+)\((\d+),\d+\): error TS\d+: ([\s\S]*)$/.exec(text) ?? [];
    return { file, line: Number(line), message };
  });
}
