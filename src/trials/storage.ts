import { until, type Attempt, type Stage } from './define.ts';

/** What the container of a run is called, in its project. */
export const container = 'cellwise-verify';

/** Where the containers of a project are, or one of them. */
export function pathOf(project: string, ...name: readonly string[]): string {
  return ['/v1', `AUTH_${project}`, ...name].join('/');
}

/** Waits until a volume is `in-use` by a server, or `available`: nobody has it. Throws when that will never be. */
export function* becomes(stage: Stage, id: string, wanted: 'available' | 'in-use'): Attempt<void> {
  const request = { service: 'volumev3', method: 'GET', path: `/v3/${stage.project}/volumes/${id}` } as const;
  yield* until<{ volume: { status: string } }>(stage, request, ({ volume: { status } }) => {
    if (status === wanted) return undefined;
    if (status.startsWith('error')) throw new Error(`The volume is ${status}`);
    return `the volume is ${status}`;
  });
}
