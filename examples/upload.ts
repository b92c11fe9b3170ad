// Uploads. After a 401 a call is sent again with another token, if its body can be sent again: everything but
// streams.
import { createReadStream, openAsBlob } from 'node:fs';
import { Readable } from 'node:stream';
import { configFromEnvironment, createClient } from 'thingspace-auth';

const { authorizedFetch } = createClient(configFromEnvironment());
const url = 'https://5gedge.verizon.com/api/images/1';

// A Blob of a file is read anew each time, and never as a whole. (A Request with a body is copied: that costs
// its memory.)
const whole = await authorizedFetch(url, { method: 'PUT', body: await openAsBlob('image.bin') });
console.log(whole.status);

// A stream can be sent once: a 401 comes back to you, and the next call has another token. (Not twice in a
// minute: an API that refuses every token would otherwise cost a token request for each call.)
const upload = () => {
  const body = Readable.toWeb(createReadStream('image.bin')) as ReadableStream;
  return authorizedFetch(url, { method: 'PUT', body, duplex: 'half' } as RequestInit);
};
let streamed = await upload();
if (streamed.status === 401) streamed = await upload();
console.log(streamed.status);
