'use strict';
// The error objects that a caller of Lambda gets: errorType, errorMessage, trace.

const { isNativeError } = require('util').types;

// An error of Lambda's own vocabulary (Runtime.…), with the stack of what caused it.
class Fault extends Error {
  constructor(type, message, cause) {
    super(message);
    this.name = type;
    if (cause && cause.stack) this.stack = cause.stack;
  }
}

// Whatever was thrown, for anything may be.
function describe(error) {
  if (!(error instanceof Error) && !isNativeError(error)) {
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  }
  return {
    errorType: String(error.name),
    errorMessage: String(error.message),
    trace: String(error.stack || '').split('\n'),
  };
}

module.exports = { Fault, describe };
