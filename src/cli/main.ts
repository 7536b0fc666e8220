#!/usr/bin/env node
import { keepCompiled } from '../private/cache.ts';

// Before anything else is imported.
keepCompiled();
const { main } = await import('./program.ts');
await main(process.argv);
