// Writes anew what tests compare with and the code itself says: the texts of `messages.test`, and what
// entries weigh. `npm run test:update -- "what for"`: the words are needed where an entry has grown by more
// than goes without a word, and stand in the record.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { recordSizes } from './size.mjs';

const messages = join(import.meta.dirname, '../../.build/test/core/messages.test.js');
const { status } = spawnSync(process.execPath, ['--test', '--test-reporter=dot', messages], {
  stdio: 'inherit',
  env: { ...process.env, UPDATE: 'messages' },
});
try {
  await recordSizes(process.argv[2]);
  process.exitCode = status ?? 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
