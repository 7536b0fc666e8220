import { defineTrial, type Attempt, type Deed } from './define.ts';

export const dashboard = defineTrial({
  type: 'dashboard',
  summary: 'A user logs in to the dashboard and sees the servers of the project there.',
  nameParam: 'url',
  params: {
    type: 'object',
    required: ['url'],
    additionalProperties: false,
    properties: { url: { type: 'string', description: 'Where it is.' } },
  },
  scope: 'cluster',
  needs: ['token'],
  after: ['server'],
  suspects: ['keystone', 'memcached', 'nova-api', 'neutron-server'],
  *attempt({ url }, stage) {
    const login = `${url}/auth/login/`;
    const form = inputs(yield* page('the login page', { deed: 'page', url: login }));
    const filled = { ...form, username: stage.user.user, password: stage.user.password, domain: 'Default' };
    const home = yield* page('the page behind the login', { deed: 'page', url: login, form: filled });
    if (home.includes('name="password"')) throw new Error('The dashboard does not let the user in');
    const instances = yield* page('the page of instances', { deed: 'page', url: `${url}/project/instances/` });
    const missing = stage.all('server').filter(({ name }) => !instances.includes(name));
    if (missing.length > 0) throw new Error(`The page of instances does not show ${missing.map(({ name }) => name).join(', ')}`);
    if (!instances.includes('id="instances"')) throw new Error('The page of instances has no table of them');
    return {};
  },
});

function* page(what: string, deed: Extract<Deed, { deed: 'page' }>): Attempt<string> {
  const { status, body } = yield deed;
  if (status !== 200) throw new Error(`${what}, ${deed.url}, is answered ${status}`);
  return String(body);
}

/** What a form sends along besides what a person fills in. */
function inputs(html: string): Record<string, string> {
  const attribute = (tag: string, name: string): string | undefined => new RegExp(`\\b${name}=["']([^"']*)`).exec(tag)?.[1];
  const tags = [...html.matchAll(/<input\b[^>]*type=["']hidden["'][^>]*>/g)].map(([tag]) => tag);
  const named = tags.flatMap((tag) => {
    const name = attribute(tag, 'name');
    return name === undefined ? [] : [[name, attribute(tag, 'value') ?? ''] as const];
  });
  return Object.fromEntries(named);
}
