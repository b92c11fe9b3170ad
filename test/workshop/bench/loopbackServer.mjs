// The service in a process of its own, for what is timed: prints its origin and runs until its input ends.
import { createService } from './service.mjs';
import { listen } from './worlds.mjs';

const server = await listen(createService());
process.stdout.write(`${server.origin}\n`);
process.stdin.resume().on('end', server.close);
