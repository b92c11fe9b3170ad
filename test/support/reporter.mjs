// What `npm test` prints: a line for each file as it ends, and failures and closing figures as Node's `spec`
// prints them. A line for each test that passed would bury these, and so would what tests measure.

import { relative } from 'node:path';
import { compose } from 'node:stream';
import { spec } from 'node:test/reporters';

export default async function* report(events) {
  yield* compose(quiet(events), new spec());
}

async function* quiet(events) {
  const output = new Map();
  let tally = {};
  for await (const event of events) {
    const { type, data } = event;
    if (/^test:std(out|err)$/.test(type)) output.set(data.file, (output.get(data.file) ?? '') + data.message);
    if (/^test:(pass|fail)$/.test(type)) {
      if (data.file !== tally.file) yield* lineOf(tally);
      tally = counted(tally, event);
      if (type === 'test:fail') yield* failure(event, output);
    }
    if (isClosingFigure(event)) {
      yield* lineOf(tally);
      tally = {};
      yield event;
    }
  }
}

function isClosingFigure({ type, data }) {
  return type === 'test:diagnostic' && data.nesting === 0 && data.file === undefined;
}

function counted({ file, passed = 0, failed = 0 }, { type, data }) {
  if (data.file !== file) return counted({ file: data.file }, { type, data });
  if (data.details.type === 'suite') return { file, passed, failed };
  return type === 'test:pass' ? { file, passed: passed + 1, failed } : { file, passed, failed: failed + 1 };
}

/** A file that broke by itself has printed why. */
function* failure(event, output) {
  const { file, details } = event.data;
  if (details.error.exitCode !== undefined) yield said(output.get(file) ?? '');
  yield event;
}

function* lineOf({ file, passed, failed }) {
  if (file === undefined) return;
  const name = relative('.', file).replace(/^\.build\/test\/|\.test\.js$/g, '');
  const all = passed + failed;
  yield said(failed ? `✖ ${name}: ${failed} of ${all} failed\n` : `✔ ${name}: ${passed} passed\n`);
}

/** `spec` prints the output of a file as it is. */
function said(message) {
  return { type: 'test:stdout', data: { message } };
}
