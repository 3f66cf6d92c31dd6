'use strict';
// What a Node.js function may ask of Godwit: require('godwit'), or import godwit from 'godwit'.
//
//   const payload = await godwit.waitForCallback();                      // for ever, or
//   const payload = await godwit.waitForCallback({ timeoutMs: 60_000 }); // then it rejects
//
// While it waits, the function is put away; a callback brings it back. The callbacks of a call are
// numbered from 0, and this keeps the number of the next one, so each is handed out once, in order,
// to whoever has waited longest. A call that is begun anew after a restart of the node gets all of
// its callbacks again. A wait that its call does not outlive is forgotten. docs/callbacks.md tells
// how callbacks are sent.

//   godwit.beforeCheckpoint(async () => { … });  // before the function's template is made
//   godwit.afterRestore(async () => { … });      // in every instance that is a clone of it

const net = require('net');
const hooks = require('../../hooks');
const running = require('../../call');
const { ReplyReader } = require('../../http');

const LONGEST = 2 ** 31 - 1; // milliseconds that a timer can wait at a stretch

// The callbacks of one call: who waits, and the connection on which the next one is asked for.
class Inbox {
  constructor(call) {
    this.call = call;
    this.number = 0; // of the next callback
    this.waiting = [];
    this.socket = null;
  }

  wait(timeoutMs) {
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject, timer: undefined };
      this.waiting.push(waiter);
      if (timeoutMs !== undefined) this.watch(waiter, performance.now() + Math.max(0, timeoutMs));
      this.ask();
    });
  }

  watch(waiter, end) {
    const left = Math.max(0, end - performance.now());
    waiter.timer = setTimeout(
      () => {
        if (performance.now() < end) {
          this.watch(waiter, end);
          return;
        }
        this.waiting = this.waiting.filter((other) => other !== waiter);
        if (this.waiting.length === 0) this.hangUp();
        const error = new Error('no callback came in time');
        error.name = 'TimeoutError';
        waiter.reject(error);
      },
      Math.min(left, LONGEST),
    );
  }

  ask() {
    if (this.socket || this.waiting.length === 0) return;
    const address = process.env.AWS_LAMBDA_RUNTIME_API || '';
    const colon = address.lastIndexOf(':');
    const socket = net.connect({
      host: address.slice(0, colon),
      port: Number(address.slice(colon + 1)),
      noDelay: true,
    });
    this.socket = socket;
    const broken = (reason) => {
      if (this.socket !== socket) return;
      this.hangUp();
      const error = new Error(`cannot ask for a callback: ${reason}`);
      for (const waiter of this.takeAll()) waiter.reject(error);
    };
    const reader = new ReplyReader((reply) => {
      if (this.socket !== socket) return;
      this.hangUp();
      this.take(reply);
    });
    socket.on('data', (data) => reader.read(data));
    socket.on('error', (error) => broken(error.message));
    socket.on('close', () => broken('the other end closed the connection'));
    const path = `/godwit/v1/invocations/${this.call}/callbacks/${this.number}`;
    socket.write(`GET ${path} HTTP/1.1\r\nHost: godwit\r\n\r\n`);
  }

  take(reply) {
    const body = reply.takeBody();
    if (reply.status === 400) {
      this.takeAll(); // the call has ended
    } else if (reply.status !== 200) {
      const error = new Error(`the Runtime API answered ${reply.status}: ${body}`);
      for (const waiter of this.takeAll()) waiter.reject(error);
    } else {
      this.number += 1;
      const waiter = this.waiting.shift();
      clearTimeout(waiter.timer);
      waiter.resolve(JSON.parse(body));
      this.ask();
    }
  }

  takeAll() {
    const all = this.waiting;
    this.waiting = [];
    for (const waiter of all) clearTimeout(waiter.timer);
    return all;
  }

  hangUp() {
    const { socket } = this;
    this.socket = null;
    if (socket) socket.destroy();
  }
}

let inbox = new Inbox('');

// The next callback of the call that runs, parsed. Rejects with a TimeoutError after `timeoutMs`,
// and the callback that comes later is for the next wait; at once outside of a call.
async function waitForCallback({ timeoutMs } = {}) {
  if (!running.id) throw new Error('no call runs that a callback could be for');
  if (inbox.call !== running.id) {
    inbox.hangUp();
    inbox.takeAll();
    inbox = new Inbox(running.id);
  }
  return inbox.wait(timeoutMs);
}

// docs/prebake.md tells when they run.
const beforeCheckpoint = (hook) => void hooks.before.push(hook);
const afterRestore = (hook) => void hooks.after.push(hook);

module.exports = { waitForCallback, beforeCheckpoint, afterRestore };
