// `node gate.js PORT UPSTREAM string|key`: the gateway of the tutorials: Express, jsonwebtoken, http-proxy. The secret is in SECRET.
const http = require('node:http');
const { createSecretKey } = require('node:crypto');
const express = require('express');
const httpProxy = require('http-proxy');
const jwt = require('jsonwebtoken');

const [port, upstream, form] = process.argv.slice(2);
const secret = form === 'key' ? createSecretKey(Buffer.from(process.env.SECRET)) : process.env.SECRET;
const checks = { algorithms: ['HS256'], issuer: 'portcullis', audience: 'portcullis' };
const proxy = httpProxy.createProxyServer({
  target: { host: '127.0.0.1', port: Number(upstream) },
  agent: new http.Agent({ keepAlive: true, maxSockets: 256 }),
});
proxy.on('error', (error, req, res) => res.writeHead(502).end());

const app = express();
app.disable('x-powered-by');
app.use((req, res) => {
  const [scheme, token] = (req.headers.authorization ?? '').split(' ');
  if (scheme !== 'Bearer' || !token) return res.status(401).json({ code: 'missing_token' });
  let claims;
  try {
    claims = jwt.verify(token, secret, checks);
  } catch {
    return res.status(401).json({ code: 'invalid_token' });
  }
  req.headers['x-user-id'] = claims.sub;
  proxy.web(req, res);
});
app.listen(Number(port), '127.0.0.1').keepAliveTimeout = 300_000;
