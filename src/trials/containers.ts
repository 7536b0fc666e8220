/** What the container of a run is called, in its project. */
export const container = 'cellwise-verify';

/** Where the containers of a project are, or one of them. */
export function pathOf(project: string, ...name: readonly string[]): string {
  return ['/swift/v1', `AUTH_${project}`, ...name].join('/');
}
