// `node sign.js PUBLIC_KEY_FILE <tokens >tokens`: the same claims, signed ES256 by a key made for the purpose. HAProxy knows no EdDSA.
const { generateKeyPairSync, sign } = require('node:crypto');
const { readFileSync, writeFileSync } = require('node:fs');

const { privateKey: key, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
writeFileSync(process.argv[2], publicKey.export({ type: 'spki', format: 'pem' }));
const header = Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'at+jwt' })).toString('base64url');
for (const token of readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const message = `${header}.${token.split('.')[1]}`;
  const signature = sign('sha256', Buffer.from(message), { key, dsaEncoding: 'ieee-p1363' });
  process.stdout.write(`${message}.${signature.toString('base64url')}\n`);
}
