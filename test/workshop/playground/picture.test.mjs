// The pictures of the README are what the playground's code draws.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { drawPictures } from '../../../examples/playground/picture.mjs';

test('the pictures of one call are those that the playground draws: node examples/playground/picture.mjs', async () => {
  const pictures = Object.entries(await drawPictures());

  assert.deepEqual(
    pictures.map(([path]) => basename(path)),
    ['one-call-light.svg', 'one-call-dark.svg'],
  );
  for (const [path, picture] of pictures) {
    assert.equal(readFileSync(path, 'utf8'), picture);
    assert.ok(!picture.includes('undefined'), path);
    for (const label of ['POST token', '401', 'replay: new token'])
      assert.ok(picture.includes(`>${label}</text>`), label);
  }
});
