import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import {
  BasicConstraints,
  KeyUsage,
  KeyUsageFlags,
  SubjectKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_keyUsage,
  id_ce_subjectKeyIdentifier,
} from '@peculiar/asn1-x509';
import { certificate, extension, keyIdentifier, nameOf } from './certificate.ts';

/** Who signs certificates for one purpose. Nothing of it but `certificate` may leave the deployer. */
export interface Authority {
  /** What it signs for, e.g. libvirt: whoever trusts it trusts nobody else's certificates. */
  readonly purpose: string;
  readonly key: KeyObject;
  /** Its own certificate, PEM: the same bytes each time. */
  readonly certificate: string;
}

/** The authority that a secret stands for, one for each purpose: the key of one says nothing about that of another. */
export function authorityOf(secret: string, purpose: string): Authority {
  const name = JSON.stringify(['certificate authority', purpose, secret]);
  const known = authorities.get(name) ?? make(name, purpose);
  authorities.set(name, known);
  return known;
}

// All hosts of a fleet ask for the same.
const authorities = new Map<string, Authority>();

function make(name: string, purpose: string): Authority {
  const key = keyOf(name);
  const issuer = nameOf({ commonName: `Cellwise ${purpose}` });
  const publicKey = createPublicKey(key);
  const pem = certificate({
    serial: Buffer.from([1]),
    issuer,
    subject: issuer,
    notBefore: new Date('2020-01-01T00:00:00Z'),
    notAfter: new Date('2120-01-01T00:00:00Z'),
    publicKey,
    extensions: [
      extension(id_ce_basicConstraints, new BasicConstraints({ cA: true, pathLenConstraint: 0 }), true),
      extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign), true),
      extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdentifier(publicKey))),
    ],
    key,
  });
  return { purpose, key, certificate: pem };
}

// An Ed25519 key is any 32 bytes, in the wrapping of PKCS #8. Its signatures have no chance in them.
function keyOf(name: string): KeyObject {
  const seed = createHash('sha256').update(name).digest();
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}
