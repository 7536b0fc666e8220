import { until, type Attempt, type Stage } from './define.ts';

interface Shown {
  readonly status: string;
  readonly fault?: { readonly message: string };
  readonly 'OS-EXT-STS:task_state': string | null;
  readonly 'OS-EXT-SRV-ATTR:host'?: string | null;
}

/** Waits until a server runs; throws Nova's reason if it never will. */
export function* running(stage: Stage, id: string): Attempt<Shown> {
  const request = { service: 'compute', method: 'GET', path: `/v2.1/servers/${id}`, auth: stage.admin } as const;
  const { server } = yield* until<{ server: Shown }>(stage, request, ({ server: shown }) => {
    if (shown.status === 'ERROR') throw new Error(`Nova could not make it: ${shown.fault?.message ?? 'it does not say why'}`);
    if (shown.status === 'ACTIVE') return undefined;
    return `the server is ${shown.status}, ${shown['OS-EXT-STS:task_state'] ?? 'with nothing under way'}`;
  });
  return server;
}

/** Waits until a server's console shows a text that matches. */
export function* prompted(stage: Stage, id: string, prompt: string): Attempt<void> {
  const body = { 'os-getConsoleOutput': { length: 100 } };
  const request = { service: 'compute', method: 'POST', path: `/v2.1/servers/${id}/action`, body } as const;
  yield* until<{ output: string }>(stage, request, ({ output }) => {
    if (new RegExp(prompt).test(output)) return undefined;
    const last = output.trimEnd().split('\n').at(-1)!.trim();
    return last === '' ? 'the console is silent' : `the last line on the console is: ${last}`;
  });
}
