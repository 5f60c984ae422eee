// `node refresh.js PORT DATABASE`: login and refresh as a careful Express app does them on SQLite: the refresh token is rotated
// in one transaction that is on the disk (synchronous=FULL) before the answer goes out. The secret is in SECRET.
const { createHash, createSecretKey, randomUUID } = require('node:crypto');
const express = require('express');
const jwt = require('jsonwebtoken');
const Database = require('better-sqlite3');

const [port, file] = process.argv.slice(2);
const secret = createSecretKey(Buffer.from(process.env.SECRET));
const db = new Database(file);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec('CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, user TEXT NOT NULL, hash TEXT NOT NULL, used_at INTEGER NOT NULL)');
const add = db.prepare('INSERT INTO sessions VALUES (?, ?, ?, ?)');
const find = db.prepare('SELECT user, hash FROM sessions WHERE id = ?');
const replace = db.prepare('UPDATE sessions SET hash = ?, used_at = ? WHERE id = ? AND hash = ?');

const digest = (token) => createHash('sha256').update(token).digest('hex');
const access = (user, sid) => jwt.sign({ sid, roles: ['user'] }, secret, { subject: user, expiresIn: '15m', jwtid: randomUUID() });
const refresh = (user, sid) => jwt.sign({ sid }, secret, { subject: user, expiresIn: '7d', jwtid: randomUUID() });

const rotate = db.transaction((token, claims) => {
  const session = find.get(claims.sid);
  if (!session || session.hash !== digest(token)) return null;
  const next = refresh(session.user, claims.sid);
  replace.run(digest(next), Date.now(), claims.sid, session.hash);
  return next;
});

const app = express();
app.disable('x-powered-by');
app.use(express.json());
// Whoever asks is signed in: only the rotation is measured.
app.post('/auth/login', (req, res) => {
  const [sid, user] = [randomUUID(), randomUUID()];
  const token = refresh(user, sid);
  add.run(sid, user, digest(token), Date.now());
  res.json({ accessToken: access(user, sid), refreshToken: token });
});
app.post('/auth/refresh', (req, res) => {
  let next = null;
  let claims;
  try {
    claims = jwt.verify(req.body.refreshToken, secret, { algorithms: ['HS256'] });
    next = rotate(req.body.refreshToken, claims);
  } catch {}
  if (!next) return res.status(401).json({ code: 'invalid_token' });
  res.json({ accessToken: access(claims.sub, claims.sid), refreshToken: next });
});
app.listen(Number(port), '127.0.0.1').keepAliveTimeout = 300_000;
