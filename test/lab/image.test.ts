import { expect, test } from 'vitest';
import { debianSources, mirrorOptions } from '../../src/lab/image.ts';

test("the sources are those of this machine's own mirror, for another release", () => {
  const targets = [
    'https://packages.example.org/tools/ bookworm bookworm Example',
    'http://mirror.example/debian/ bookworm bookworm Debian',
    'http://mirror.example/debian/ bookworm-updates bookworm-updates Debian',
    'http://mirror.example/debian-security/ bookworm-security bookworm-security Debian',
  ].join('\n');
  expect(debianSources(targets, 'trixie')).toEqual([
    'deb http://mirror.example/debian/ trixie main',
    'deb http://mirror.example/debian/ trixie-updates main',
    'deb http://mirror.example/debian-security/ trixie-security main',
  ]);
});

test('before the first apt-get update neither code names nor origins are known', () => {
  expect(debianSources('http://mirror.example/debian/  bookworm ', 'trixie')).toEqual([
    'deb http://mirror.example/debian/ trixie main',
    'deb http://mirror.example/debian/ trixie-updates main',
  ]);
});

test('anything but a Debian leaves the choice to mmdebstrap', () => {
  expect(
    debianSources('http://mirror.example/ubuntu/ noble noble Ubuntu\nhttp://a.example/ noble-security noble-security Ubuntu', 'trixie'),
  ).toEqual([]);
  expect(debianSources('', 'trixie')).toEqual([]);
});

test('of apt’s settings proxies and checks of the date are taken along', () => {
  const settings = [
    'Acquire "";',
    'Acquire::cdrom "";',
    'Acquire::http::Proxy "http://proxy.example:3128";',
    'Acquire::https::Proxy "";',
    'Acquire::http::Proxy::direct.example "DIRECT";',
    'Acquire::Check-Valid-Until "false";',
    'Acquire::Languages "none";',
  ].join('\n');
  expect(mirrorOptions(settings)).toEqual([
    'Acquire::http::Proxy "http://proxy.example:3128";',
    'Acquire::http::Proxy::direct.example "DIRECT";',
    'Acquire::Check-Valid-Until "false";',
  ]);
});
