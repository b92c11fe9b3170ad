// Processes that end with the test's, also where it fails before it comes to `after`: the test runner would
// wait for them.
const children = new Set();

for (const event of ['exit', 'uncaughtExceptionMonitor'])
  process.on(event, () => children.forEach((child) => child.kill('SIGKILL')));

export function endWithTest(child) {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}
