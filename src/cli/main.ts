#!/usr/bin/env node
import { enableCompileCache } from 'node:module';

// Before anything else is imported: compiled code is kept between runs, which halves the start.
enableCompileCache();
const { main } = await import('./program.ts');
await main(process.argv);
