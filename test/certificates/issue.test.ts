import { X509Certificate } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { authorityOf } from '../../src/certificates/authority.ts';
import { issue, requestedKey } from '../../src/certificates/issue.ts';
import { otherRequest, request, weakRequest } from './requests.ts';

const directory = mkdtempSync(join(tmpdir(), 'cellwise-certificates-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

const now = new Date();
const host = { name: 'cmp1', addresses: ['10.0.0.21', '10.0.1.21'], days: 100 };
const authority = authorityOf('seed', 'libvirt');
const signed = () => issue(authority, requestedKey(request), host, now);

describe('an authority', () => {
  test('is the same each time, and another one for each secret and purpose', () => {
    expect(authorityOf('seed', 'libvirt').certificate).toBe(authority.certificate);
    const all = [authority, authorityOf('seed', 'qemu'), authorityOf('other', 'libvirt'), authorityOf('', 'libvirt","seed')];
    expect(new Set(all.map(({ certificate }) => new X509Certificate(certificate).publicKey.export({ format: 'jwk' }).x)).size).toBe(4);
  });

  // Its certificate is on all hosts: one that came out otherwise would be a change on each of them.
  test('keeps its certificate from one version of Cellwise to the next', () => {
    expect(new X509Certificate(authority.certificate).fingerprint256).toBe(
      '38:08:24:16:95:B1:0C:44:8C:FF:6B:29:0D:D2:F5:C4:F2:41:73:90:99:91:40:2C:80:18:50:03:D5:AA:DA:BC',
    );
  });
});

describe('a certificate', () => {
  test('says what it was told to, and nothing that the request says', () => {
    const certificate = new X509Certificate(signed());
    expect(certificate.subject).toBe('O=Cellwise libvirt\nCN=cmp1');
    expect(certificate.issuer).toBe('CN=Cellwise libvirt');
    expect(certificate.subjectAltName).toBe('DNS:cmp1, IP Address:10.0.0.21, IP Address:10.0.1.21');
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    expect(certificate.ca).toBe(false);
    expect(certificate.publicKey.equals(requestedKey(request))).toBe(true);
    expect(certificate.validToDate.getTime() - now.getTime()).toBeLessThanOrEqual(100 * 24 * 3600 * 1000);
    expect(certificate.validFromDate.getTime()).toBeLessThan(now.getTime());
  });

  test('has another serial number each time, of 128 bits', () => {
    const serials = Array.from({ length: 50 }, () => new X509Certificate(signed()).serialNumber);
    expect(new Set(serials).size).toBe(50);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  });

  test('is right in the eyes of openssl at its strictest, for both ends, and under its own authority alone', () => {
    const file = (name: string, text: string): string => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    const leaf = file('leaf.pem', signed());
    const verify = (authorityFile: string, purpose: string): string =>
      execFileSync('openssl', ['verify', '-x509_strict', '-purpose', purpose, '-verify_ip', '10.0.1.21', '-CAfile', authorityFile, leaf], {
        encoding: 'utf8',
        stdio: 'pipe',
      });
    const own = file('own.pem', authority.certificate);
    for (const purpose of ['sslserver', 'sslclient']) expect(verify(own, purpose)).toContain('OK');
    expect(() => verify(file('qemu.pem', authorityOf('seed', 'qemu').certificate), 'sslclient')).toThrow();
  });
});

describe('a request', () => {
  test.each([
    ['something else', 'it is no request in PEM', 'nonsense'],
    ['a request with something behind it', 'it is no request in PEM', `${request}${otherRequest}`],
    ['no DER', 'it cannot be read', request.replace(/\n.*\n/, '\nAAAA\n')],
    ['one whose signature is another’s', 'its key has not signed it', otherRequest.replace(/.{30}(?=\n-----END)/, 'A'.repeat(30))],
    ['one of another kind of key', 'its key is rsa, not ed25519', weakRequest],
    ['too long', 'it is no request in PEM', request.replace('\n', `\n${'A'.repeat(9000)}`)],
  ])('%s is refused', (_, why, text) => {
    expect(() => requestedKey(text)).toThrow(why);
  });
});
