#!/usr/bin/env node
/**
 * The command `thingspace-auth`: prints a token, says step by step what works, or serves a mock ThingSpace.
 * For people and their scripts: no entry imports it, and it imports entries only.
 * @module
 */
import process from 'node:process';
import { main } from './command/main.ts';

// No `await` at the top: tools that bundle for older targets refuse it.
void main(process.argv.slice(2), new URL('../package.json', import.meta.url)).then((status) => {
  process.exitCode = status;
});
