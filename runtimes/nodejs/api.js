'use strict';
// The Lambda Runtime API (2018-06-01) over one connection that lives as long as the process.
//
// An answer and the question for the next event leave in one write: api.send(respond(id, body) +
// NEXT, verdict, next). There is no time-out anywhere: a wait may last for days, part of it as a
// checkpoint. When the connection breaks, there is nothing left to do but to end the process.
//
// The connection keeps the event loop alive only while a reply is due: while the handler runs, an
// empty loop means that the handler has nothing left to do.

const net = require('net');
const { ReplyReader } = require('./http');
const { say } = require('./logs');

const BASE = '/2018-06-01/runtime/';
const HEAD = ' HTTP/1.1\r\nHost: godwit\r\n';
const NEXT = `GET ${BASE}invocation/next${HEAD}\r\n`;
const RESTORE = `GET ${BASE}restore/next${HEAD}\r\n`;

function post(path, headers, body) {
  const size = Buffer.byteLength(body);
  const type = 'Content-Type: application/json';
  return `POST ${BASE}${path}${HEAD}${headers}${type}\r\nContent-Length: ${size}\r\n\r\n${body}`;
}

const respond = (requestId, body) => post(`invocation/${requestId}/response`, '', body);

// The report of a failed invocation, or of a failed `phase` when there is no request id.
function fail(requestId, report, phase = 'init') {
  const path = requestId ? `invocation/${requestId}/error` : `${phase}/error`;
  const type = report.errorType.replace(/[^ -~]/g, '?'); // a name may hold what a header may not
  return post(path, `Lambda-Runtime-Function-Error-Type: ${type}\r\n`, JSON.stringify(report));
}

class Api {
  constructor(address) {
    this.address = address;
    this.due = []; // the receivers of the replies to come, in their order
    const reader = new ReplyReader((reply) => this.deliver(reply));
    const colon = address.lastIndexOf(':');
    try {
      this.socket = net.connect({
        host: address.slice(0, colon),
        port: Number(address.slice(colon + 1)),
        noDelay: true,
        onread: {
          buffer: Buffer.allocUnsafeSlow(65536),
          callback: (size, buffer) => reader.read(buffer.subarray(0, size)),
        },
      });
    } catch (error) {
      this.broken(error.message);
    }
    this.socket.on('error', (error) => this.broken(error.message));
    this.socket.on('end', () => this.broken('the other end closed the connection'));
    this.socket.unref();
  }

  // Each of `receivers` gets its reply, in the order of the requests.
  send(requests, ...receivers) {
    this.due.push(...receivers);
    this.socket.ref();
    this.socket.write(requests);
  }

  deliver(reply) {
    const receiver = this.due.shift();
    if (this.due.length === 0) this.socket.unref();
    receiver(reply);
  }

  // Does not return.
  broken(reason) {
    const failure = `cannot talk to the Runtime API at '${this.address}': ${reason}`;
    say(`godwit: ${failure} (the function ends here)`);
    process.exit(1);
  }
}

module.exports = { Api, NEXT, RESTORE, respond, fail };
