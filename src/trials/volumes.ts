import { until, type Attempt, type Stage } from './define.ts';

/** Waits until nobody has a volume; throws when that will never be. */
export function* available(stage: Stage, id: string): Attempt<void> {
  const request = { service: 'volumev3', method: 'GET', path: `/v3/${stage.project}/volumes/${id}` } as const;
  yield* until<{ volume: { status: string } }>(stage, request, ({ volume: { status } }) => {
    if (status === 'available') return undefined;
    if (status.startsWith('error')) throw new Error(`The volume is ${status}`);
    return `the volume is ${status}`;
  });
}
