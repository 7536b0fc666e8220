import { createHash, sign, type KeyObject } from 'node:crypto';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  Certificate,
  Extension,
  Extensions,
  Name,
  RelativeDistinguishedName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';

/** What stands in a certificate, and the key that signs it. */
export interface Contents {
  readonly serial: Buffer;
  readonly issuer: Name;
  readonly subject: Name;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Extension[];
  readonly key: KeyObject;
}

/** A certificate as PEM. */
export function certificate(of: Contents): string {
  const algorithm = new AlgorithmIdentifier({ algorithm: ed25519 });
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: bytes(of.serial),
    signature: algorithm,
    issuer: of.issuer,
    validity: new Validity({ notBefore: of.notBefore, notAfter: of.notAfter }),
    subject: of.subject,
    subjectPublicKeyInfo: AsnConvert.parse(of.publicKey.export({ format: 'der', type: 'spki' }), SubjectPublicKeyInfo),
    extensions: new Extensions([...of.extensions]),
  });
  const signature = sign(null, Buffer.from(AsnConvert.serialize(tbsCertificate)), of.key);
  const signed = new Certificate({ tbsCertificate, signatureAlgorithm: algorithm, signatureValue: bytes(signature) });
  return pem('CERTIFICATE', AsnConvert.serialize(signed));
}

export function extension(id: string, value: object, critical = false): Extension {
  return new Extension({ extnID: id, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

/** A name as certificates write it, the organization before the name itself. */
export function nameOf(said: { readonly organization?: string; readonly commonName: string }): Name {
  const part = (type: string, value: string): RelativeDistinguishedName =>
    new RelativeDistinguishedName([new AttributeTypeAndValue({ type, value: new AttributeValue({ utf8String: value }) })]);
  const { organization, commonName } = said;
  return new Name([...(organization === undefined ? [] : [part('2.5.4.10', organization)]), part('2.5.4.3', commonName)]);
}

/** By which a certificate says whose key it holds, and which key signed it. */
export function keyIdentifier(key: KeyObject): ArrayBuffer {
  return bytes(
    createHash('sha256')
      .update(key.export({ format: 'der', type: 'spki' }))
      .digest()
      .subarray(0, 20),
  );
}

const ed25519 = '1.3.101.112';

function bytes(of: Buffer): ArrayBuffer {
  return new Uint8Array(of).buffer;
}

function pem(label: string, der: ArrayBuffer): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .replace(/.{64}(?!$)/g, '$&\n');
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
