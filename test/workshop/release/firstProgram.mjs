// Runs README's first program, as the installed package has it, against the mock, in the given folder.
// `node firstProgram.mjs FOLDER [PROGRAM ARGUMENT …]`; without a program, this Node.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder, ...given] = process.argv.slice(2);
const command = given.length > 0 ? given : [process.execPath, '--import', 'thingspace-auth/testing/global'];
const readme = readFileSync(join(folder, 'node_modules/thingspace-auth/README.md'), 'utf8');
const [, program] = /```ts\n([^]*?)```/.exec(readme);
writeFileSync(join(folder, 'try.mjs'), program);

const [file, ...args] = command;
const printed = execFileSync(file, [...args, 'try.mjs'], { cwd: folder, encoding: 'utf8' });
if (!/^200 [^]*mock-region-1/.test(printed)) throw new Error(`The first program printed: ${printed}`);
console.log('The first program runs.');
