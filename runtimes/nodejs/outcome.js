'use strict';
// A handler may answer in many ways; whichever comes first counts:
//   a promise that it returns, also as an async function;
//   callback(error, result), which waits for the event loop to run empty while the context's
//     callbackWaitsForEmptyEventLoop is true; a callback's error does not wait;
//   context.done(error, result), context.succeed(result), context.fail(error), at once;
//   an exception that it throws;
//   or nothing: the answer is null once the loop is empty, but an error if there is a promise that
//     was never settled.

const { createContext } = require('./context');
const { Fault } = require('./errors');

const NEVER_SETTLED = "Node.js had nothing left to do, but the handler's promise was never settled";

function toJson(result) {
  try {
    return JSON.stringify(result) ?? 'null';
  } catch (error) {
    throw new Fault('Runtime.MarshalError', `Unable to marshal response: ${error.message}`, error);
  }
}

function parseEvent(text) {
  try {
    return JSON.parse(text || '{}');
  } catch (error) {
    throw new Fault('Runtime.UnmarshalError', `Unable to unmarshal input: ${error.message}`, error);
  }
}

// Runs the handler on one event. Calls settle({reason}) or settle(null, json), once; it may do so
// before this returns. Returns what is to be called when the event loop has run empty.
function follow(handler, invocation, settle) {
  let open = true;
  let promised = false;
  let held = null; // a callback's result, until the loop is empty

  const fail = (reason) => {
    if (!open) return;
    open = false;
    settle({ reason });
  };
  const succeed = (value) => {
    if (!open) return;
    let json;
    try {
      json = toJson(value);
    } catch (error) {
      fail(error);
      return;
    }
    open = false;
    settle(null, json);
  };
  const done = (error, value) =>
    error === undefined || error === null ? succeed(value) : fail(error);
  const exhausted = () => {
    if (promised && !held) fail(new Fault('Runtime.NodeJsExit', NEVER_SETTLED));
    else succeed(held?.value);
  };

  try {
    const context = createContext(invocation);
    Object.assign(context, { done, succeed, fail: (error) => fail(error ?? 'handled') });
    const callback = (error, value) => {
      if (error || !context.callbackWaitsForEmptyEventLoop) done(error, value);
      else held ??= { value };
    };
    const returned = handler(parseEvent(invocation.takeBody()), context, callback);
    if (typeof returned?.then === 'function') {
      promised = true;
      returned.then(succeed, fail);
    }
  } catch (error) {
    fail(error);
  }
  return exhausted;
}

module.exports = { follow };
