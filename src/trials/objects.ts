import { createHash, createHmac } from 'node:crypto';
import { printable } from '../base/printable.ts';
import { find, must } from '../resources/openstack.ts';
import { ask, defineTrial } from './define.ts';
import { container, pathOf } from './storage.ts';

interface Service {
  readonly type: string;
  readonly endpoints: readonly { readonly interface: string; readonly region: string; readonly url: string }[];
}

export const objects = defineTrial({
  type: 'objects',
  summary:
    'An object that a user puts by Swift, with a token, is read again: where there is S3, by that, with EC2 credentials of Keystone.',
  nameParam: 'region',
  params: {
    type: 'object',
    required: ['region'],
    additionalProperties: false,
    properties: {
      region: { type: 'string', description: 'The region that the endpoint of S3 is looked for in.' },
      by: { type: 'string', enum: ['s3', 'swift'], default: 's3', description: 'What it is read by.' },
    },
  },
  scope: 'cluster',
  needs: ['token'],
  suspects: ['keystone'],
  *attempt({ region, by }, stage) {
    const service = 'object-store';
    const path = pathOf(stage.project, container);
    const text = { from: stage.name };
    yield* ask(stage, { service, method: 'PUT', path });
    yield* ask(stage, { service, method: 'PUT', path: `${path}/object`, body: text });
    if (by === 'swift') {
      const found = yield* ask(stage, { service, method: 'GET', path: `${path}/object` });
      if (JSON.stringify(found) !== JSON.stringify(text))
        throw new Error(`${JSON.stringify(text)} was put, and there is ${JSON.stringify(found)}`);
      return {};
    }

    const catalogue = yield* ask<{ catalog: readonly Service[] }>(stage, { service: 'identity', method: 'GET', path: '/v3/auth/catalog' });
    const endpoint = catalogue.catalog
      .find(({ type }) => type === service)
      ?.endpoints.find((each) => each.interface === 'internal' && each.region === region);
    const gateway = must(endpoint, `internal endpoint of ${service} in ${region}`).url;
    const where = { name: stage.user.user };
    const user = must(yield* find({ service: 'identity', path: '/v3/users', list: 'users', where }, 'the user'), 'user').id;
    const { credential } = yield* ask<{ credential: Credential }>(stage, {
      service: 'identity',
      method: 'POST',
      path: `/v3/users/${user}/credentials/OS-EC2`,
      body: { tenant_id: stage.project },
    });
    const url = presigned(new URL(`/${container}/object`, gateway), credential, new Date());
    const { status, body } = yield { deed: 'page', url };
    if (status !== 200) throw new Error(`By S3 the object is answered ${status}: ${printable(String(body), 300)}`);
    if (String(body) !== JSON.stringify(text))
      throw new Error(`By Swift ${JSON.stringify(text)} was put, and by S3 there is ${String(body)}`);

    return {};
  },
});

interface Credential {
  readonly access: string;
  readonly secret: string;
}

/** A URL that gives an object to whoever has it, for some minutes: AWS Signature Version 4 in the query. */
function presigned(url: URL, { access, secret }: Credential, now: Date): string {
  const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const day = time.slice(0, 8);
  // Any name will do for the gateway, as long as both agree.
  const scope = `${day}/default/s3/aws4_request`;
  const query = new URLSearchParams({
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${access}/${scope}`,
    'X-Amz-Date': time,
    'X-Amz-Expires': '300',
    'X-Amz-SignedHeaders': 'host',
  }).toString();
  const request = `GET\n${url.pathname}\n${query}\nhost:${url.host}\n\nhost\nUNSIGNED-PAYLOAD`;
  const signed = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${createHash('sha256').update(request).digest('hex')}`;
  const key = [day, 'default', 's3', 'aws4_request'].reduce<string | Buffer>((by, part) => mac(by, part), `AWS4${secret}`);
  return `${url.href}?${query}&X-Amz-Signature=${mac(key, signed).toString('hex')}`;
}

function mac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
