// Express: its static files, and to the host `reading` which of three rules it takes for a path.
const express = require('express');

const [folder, port] = process.argv.slice(2);
const app = express();
const files = express.static(`${folder}/pages`);

app.use((request, response, next) => (request.headers.host === 'reading' ? next() : files(request, response, next)));
for (const rule of ['/public', '/admin', '/']) {
  app.use(rule, (request, response) => response.send(`reads ${rule}\n`));
}
app.listen(port, '127.0.0.1');
