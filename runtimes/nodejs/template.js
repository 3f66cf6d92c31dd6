'use strict';
// The start of a template, of which every further instance of the function is a clone.
//
// Loaded before the function: Math.random, whose state nobody outside V8 can renew, gives way to a
// generator that can be seeded. become() runs the warm-up event and the hooks, asks for a restore,
// and goes on in each clone: there it renews what must not be the same in two of them. Whatever
// else a function has made random or unique at its start is equal in all clones, unless a hook
// renews it (docs/prebake.md).

const crypto = require('crypto');
const path = require('path');
const { RESTORE } = require('./api');
const { createContext } = require('./context');
const { describe } = require('./errors');
const hooks = require('./hooks');
const logs = require('./logs');
const { follow } = require('./outcome');

const UUIDS = 128; // that crypto.randomUUID() makes ahead
const INTEGERS = 1024; // that crypto.randomInt() draws ahead

// Throws where OpenSSL's generator cannot be reached: then there is no template.
function loadSeed() {
  const addOn = { exports: {} };
  process.dlopen(addOn, path.join(__dirname, 'reseed.node'));
  if (typeof addOn.exports !== 'function' || !addOn.exports()) {
    throw new Error("this Node.js does not say how to seed OpenSSL's generator");
  }
  return addOn.exports;
}

const rotate = (x, by) => (x << by) | (x >>> (32 - by));

// xoshiro128** by Blackman and Vigna, as fast as V8's own and as little of a secret.
function replaceMathRandom() {
  const state = new Uint32Array(4);
  let [a, b, c, d] = state;
  const seed = () => {
    [a, b, c, d] = crypto.randomFillSync(state);
  };
  const next = () => {
    const word = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return word;
  };
  seed();
  Math.random = () => (next() * 2 ** 21 + (next() >>> 11)) / 2 ** 53;
  return seed;
}

const seedOpenssl = loadSeed();
const seedMathRandom = replaceMathRandom();

function renew(logStream) {
  seedOpenssl();
  seedMathRandom();
  for (let i = 0; i < UUIDS; ++i) crypto.randomUUID();
  for (let i = 0; i < INTEGERS; ++i) crypto.randomInt(2);
  if (logStream) createContext.renameLogStream(logStream);
}

async function warmUp(handler) {
  const text = process.env.GODWIT_WARM_UP;
  delete process.env.GODWIT_WARM_UP;
  if (!text) return;
  const headers = {
    'lambda-runtime-aws-request-id': 'warm-up',
    'lambda-runtime-deadline-ms': String(Date.now() + 10_000),
  };
  const invocation = { header: (name) => headers[name], takeBody: () => text };
  logs.setRequestId('warm-up');
  const failed = await new Promise((resolve) => {
    follow(handler, invocation, resolve);
  });
  if (failed) logs.write('ERROR', `Warm-up\t${JSON.stringify(describe(failed.reason))}`);
  logs.setRequestId(undefined);
}

// Resolves in a clone. Rejects with what a hook threw, and says in `phase` when it did.
async function become(api, handler) {
  const failed = (phase) => (error) => {
    throw Object.assign(error instanceof Error ? error : new Error(String(error)), { phase });
  };
  await warmUp(handler).then(hooks.runBefore).catch(failed('init'));
  const reply = await new Promise((resolve) => {
    api.send(RESTORE, resolve); // in every clone anew
  });
  if (reply.status !== 200) api.broken(`asked for a restore, it answered ${reply.status}`);
  renew(reply.header('godwit-log-stream'));
  await hooks.runAfter().catch(failed('restore'));
}

module.exports = { become };
