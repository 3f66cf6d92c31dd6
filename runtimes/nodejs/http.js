'use strict';
// Reads the HTTP/1.1 responses of a connection, as their bytes arrive.

// One response. Headers are searched when asked for: most are never read.
class Reply {
  constructor(head) {
    this.head = head;
    this.lower = head.toLowerCase();
    this.status = Number(head.slice(9, 12));
    const chunked = /chunked/i.test(this.header('transfer-encoding'));
    this.body = chunked
      ? new ChunkedBody()
      : new SizedBody(Number(this.header('content-length') || 0));
  }

  // The value, one character a byte, or undefined. The name in lower case.
  header(name) {
    const at = this.lower.indexOf(`\r\n${name}:`);
    if (at < 0) return undefined;
    const start = at + name.length + 3;
    return this.head.slice(start, this.head.indexOf('\r\n', start)).trim();
  }

  // Once: the handler may be put away, and one copy of its event is enough.
  takeBody() {
    const text = this.body.text();
    this.body = null;
    return text;
  }
}

// A body's take() eats from the front of `data`, of which it keeps copies, and returns what it
// left, or null when it needs more.
class SizedBody {
  constructor(size) {
    this.bytes = Buffer.allocUnsafe(size);
    this.filled = 0;
  }

  take(data) {
    const size = data.copy(this.bytes, this.filled);
    this.filled += size;
    return this.filled === this.bytes.length ? data.subarray(size) : null;
  }

  text() {
    return this.bytes.toString();
  }
}

class ChunkedBody {
  constructor() {
    this.pieces = [];
    this.chunk = null; // a SizedBody that ends with the line end behind the chunk
    this.line = ''; // the chunk's size, or a trailer, as far as it has come
    this.last = false;
  }

  take(data) {
    while (data !== null) {
      if (this.chunk) {
        data = this.chunk.take(data);
        if (data === null) return null;
        this.pieces.push(this.chunk.bytes.subarray(0, -2));
        this.chunk = null;
      }
      const end = data.indexOf('\n');
      this.line += data.latin1Slice(0, end < 0 ? data.length : end + 1);
      if (end < 0) return null;
      data = data.subarray(end + 1);
      const line = this.line.trim();
      this.line = '';
      if (this.last && line === '') return data;
      if (this.last) continue;
      const size = parseInt(line, 16);
      if (size > 0) this.chunk = new SizedBody(size + 2);
      else this.last = true;
    }
  }

  text() {
    return Buffer.concat(this.pieces).toString();
  }
}

class ReplyReader {
  constructor(deliver) {
    this.deliver = deliver;
    this.head = null; // the beginning of a head, as far as it has come
    this.reply = null; // its head is here, its body not yet
  }

  // `data` may be overwritten as soon as this returns.
  read(data) {
    if (this.head) data = Buffer.concat([this.head, data]);
    this.head = null;
    while (true) {
      if (!this.reply) {
        const end = data.indexOf('\r\n\r\n');
        if (end < 0) break;
        this.reply = new Reply(data.latin1Slice(0, end + 2));
        data = data.subarray(end + 4);
      }
      data = this.reply.body.take(data);
      if (data === null) return;
      const reply = this.reply;
      this.reply = null;
      this.deliver(reply);
    }
    if (data.length > 0) this.head = Buffer.from(data);
  }
}

module.exports = { ReplyReader };
