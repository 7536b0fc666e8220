import { defineTrial } from './define.ts';

export const neighbours = defineTrial({
  type: 'neighbours',
  summary: 'Servers on different compute hosts reach each other. Where there is one alone, it reaches its gateway.',
  nameParam: 'command',
  params: {
    type: 'object',
    required: ['command'],
    additionalProperties: false,
    properties: { command: { type: 'string', description: 'Run in the first server, with an address behind it.' } },
  },
  scope: 'cluster',
  needs: ['login'],
  suspects: ['neutron-server'],
  *attempt({ command }, stage) {
    const [first, ...others] = stage.all('login');
    const { address, user, server } = first!;
    const all = others.length > 0 ? others : [{ server: 'its gateway', inner: stage.of('network').gateway }];
    for (const other of all) {
      for (;;) {
        const { status, body } = yield { deed: 'login', address, user, command: `${command} ${other.inner}` };
        if (status === 0) break;
        const said = String(body).trim().split('\n').at(-1)!;
        yield { deed: 'wait', for: `${server} does not reach ${other.server} at ${other.inner}: ${said}` };
      }
    }
    return { said: all.map(({ inner }) => inner).join(', ') };
  },
});
