// Node's own ways to a path: `new URL` and `url.parse`; files as small static servers open them.
const fs = require('fs');
const http = require('http');
const path = require('path');
const url = require('url');

const [folder, port] = process.argv.slice(2);

const ways = {
  files: (target) => fs.readFileSync(path.join(folder, 'pages', decodeURIComponent(new URL(target, 'http://h').pathname))),
  url: (target) => `reads ${new URL(target, 'http://h').pathname}\n`,
  decoded: (target) => `reads ${decodeURIComponent(new URL(target, 'http://h').pathname)}\n`,
  parse: (target) => `reads ${url.parse(target).pathname}\n`,
  told: (target, fields) => Object.entries(fields).map(([name, value]) => `${name}=${value}\n`).join(''),
};

http.createServer((request, response) => {
  const way = ways[request.headers.host] ?? ways.files;
  try {
    response.end(way(request.url, request.headers));
  } catch {
    response.statusCode = 404;
    response.end('nothing here\n');
  }
}).listen(port, '127.0.0.1');
