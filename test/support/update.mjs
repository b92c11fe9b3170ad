// Writes anew what tests compare with and the code itself says: `npm run test:update -- "what for"`. The
// words are needed where an entry has grown by more than goes without a word; they stand in the record.
import { recordSizes } from './size.mjs';

try {
  await recordSizes(process.argv[2]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
