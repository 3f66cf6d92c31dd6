// What two instances of a function have in common, and what each has of its own.
const crypto = require('crypto');
const fs = require('fs');
const godwit = require('godwit');

console.log('initialised');
const MARK = crypto.randomBytes(8).toString('hex');
const hooks = [];
// So that all of them have a state.
Math.random();
crypto.randomUUID();
crypto.randomInt(100);

godwit.beforeCheckpoint(async () => hooks.push('before'));
godwit.afterRestore(() => hooks.push('after'));

const idsOf = (name) =>
  new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(fs.readFileSync('/proc/self/status', 'ascii'))[1];

exports.handler = async (event, context) => {
  if (event.seconds) await new Promise((resolve) => setTimeout(resolve, event.seconds * 1000));
  return {
    mark: MARK,
    hooks,
    init: process.env.AWS_LAMBDA_INITIALIZATION_TYPE,
    uids: idsOf('Uid').split('\t'),
    log_stream: [context.logStreamName, process.env.AWS_LAMBDA_LOG_STREAM_NAME],
    math: Math.random(),
    uuid: crypto.randomUUID(),
    bytes: crypto.randomBytes(16).toString('hex'),
    web: Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex'),
    integers: Array.from({ length: 8 }, () => crypto.randomInt(2 ** 40)).join(),
  };
};
