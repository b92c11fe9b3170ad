// A reporter that shows that the tests go on, and with one mutant ends everything where something fails
// beside a test's own function: a hook, a part of a test.
import { writeSync } from 'node:fs';

const isOne = !process.env.MUTATION_BATCH && !process.env.MUTATION_LOG;

export default async function* firstFailure(source) {
  for await (const { type, data } of source) {
    if (type === 'test:fail' && isOne) {
      writeSync(1, `\nname ${data.name.replaceAll('\n', ' ')}\n`);
      process.exit(1);
    }
    if (type === 'test:complete') yield '.';
  }
}
