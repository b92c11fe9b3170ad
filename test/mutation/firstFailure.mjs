// A reporter that shows that the tests go on, and ends everything where something fails beside a test's own function: a hook,
// a part of a test.
import { writeSync } from 'node:fs';

export default async function* firstFailure(source) {
  for await (const { type, data } of source) {
    if (type === 'test:fail') {
      writeSync(1, `\nname ${data.name.replaceAll('\n', ' ')}\n`);
      process.exit(1);
    }
    if (type === 'test:complete') yield '.';
  }
}
