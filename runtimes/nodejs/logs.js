'use strict';
// Lambda's log lines: time, request id, level and message, with tabs between them. Loading it
// patches the console.

const fs = require('fs');
const { format } = require('util');

let requestId; // of the invocation that runs now; `undefined` before the first, as in Lambda

function setRequestId(id) {
  requestId = id;
}

// Standard output is a pipe here. When it is full, Node would write to it later, and make every
// other write to it fail with EAGAIN meanwhile; nobody could say then what came before what.
for (const stream of [process.stdout, process.stderr]) stream._handle?.setBlocking?.(true);

// Synchronous: a process that is killed takes its buffers with it.
function say(line) {
  try {
    fs.writeSync(1, `${line}\n`);
  } catch {
    // As Node's own console: a full disk loses the line, and throws nothing at whoever logs.
  }
}

function write(level, message) {
  say(`${new Date().toISOString()}\t${requestId}\t${level}\t${message}`);
}

const LEVELS = { debug: 'DEBUG', log: 'INFO', info: 'INFO', warn: 'WARN', error: 'ERROR' };

for (const [method, level] of Object.entries(LEVELS)) {
  console[method] = (...values) => write(level, format(...values));
}

console.trace = (...values) => {
  const trace = { name: 'Trace', message: format(...values) };
  Error.captureStackTrace(trace, console.trace);
  write('TRACE', trace.stack);
};

module.exports = { say, write, setRequestId };
