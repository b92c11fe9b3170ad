// The output of `npm test`: in a terminal that of Node; elsewhere each failure in full and the closing
// figures, which a line for each passed test would bury.

import { spec } from 'node:test/reporters';
import { inspect } from 'node:util';

export default process.stdout.isTTY ? new spec() : report;

async function* report(events) {
  const output = new Map();
  for await (const { type, data } of events) {
    if (type === 'test:stdout' || type === 'test:stderr')
      output.set(data.file, (output.get(data.file) ?? '') + data.message);
    else if (type === 'test:fail') yield describeFailure(data, output.get(data.file));
    else if (type === 'test:diagnostic' && data.nesting === 0) yield `# ${data.message}\n`;
  }
}

/**
 * A file fails because of its tests, which have been told; or by itself, and then what it printed says why.
 */
function describeFailure({ name, file, line, details: { error } }, output = '') {
  if (error.failureType === 'subtestsFailed') return '';
  const where = file ? `  at ${file}${line ? `:${line}` : ''}\n` : '';
  const printed = error.exitCode === undefined ? '' : output;
  const told = indent(inspect(error.cause ?? error));
  return `not ok - ${name}\n${where}${told}\n${printed && indent(printed)}\n`;
}

function indent(text) {
  return text.replace(/^/gm, '    ');
}
