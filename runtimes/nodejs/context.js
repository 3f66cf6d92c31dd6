'use strict';
// The context object, the second argument of every handler, as Lambda documents it:
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html

const fs = require('fs');
const { Fault } = require('./errors');

const { env } = process;

// Written when a call has waited: "REQUEST_ID EPOCH_MS\n", for the time it waited is not counted,
// so its deadline has moved; or, while it waits, "REQUEST_ID - LEFT_MS\n".
const MOVED_DEADLINE = env.GODWIT_DEADLINE_FILE || '/run/godwit/deadline';

const OF_THE_PROCESS = {
  functionName: env.AWS_LAMBDA_FUNCTION_NAME,
  functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
  memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
  logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
  logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
};

function movedRemaining(requestId) {
  if (!fs.existsSync(MOVED_DEADLINE)) return undefined;
  const [id, deadline, left] = fs.readFileSync(MOVED_DEADLINE, 'utf8').trim().split(/\s+/);
  if (id !== requestId) return undefined;
  return left ? Number(left) : Number(deadline) - Date.now();
}

function parse(header, what) {
  try {
    return header && JSON.parse(Buffer.from(header, 'latin1').toString());
  } catch (error) {
    throw new Fault(
      'Runtime.LambdaContextUnmarshalError',
      `Unable to parse ${what} JSON: ${error.message}`,
      error,
    );
  }
}

let traceId;

function setTraceId(id) {
  if (id === traceId) return;
  if (id) env._X_AMZN_TRACE_ID = id;
  else delete env._X_AMZN_TRACE_ID;
  traceId = id;
}

// outcome.js adds what the handler may call to answer: done, succeed, fail.
function createContext(invocation) {
  const awsRequestId = invocation.header('lambda-runtime-aws-request-id');
  const deadline = Number(invocation.header('lambda-runtime-deadline-ms') || 0);
  setTraceId(invocation.header('lambda-runtime-trace-id'));
  return {
    ...OF_THE_PROCESS,
    awsRequestId,
    invokedFunctionArn: invocation.header('lambda-runtime-invoked-function-arn'),
    tenantId: invocation.header('lambda-runtime-aws-tenant-id'),
    clientContext: parse(invocation.header('lambda-runtime-client-context'), 'Client Context'),
    identity: parse(invocation.header('lambda-runtime-cognito-identity'), 'Cognito Identity'),
    // Godwit's own: 1, and more when an Event call is run again because the node or the function
    // died.
    attempt: Number(invocation.header('godwit-attempt') || 1),
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () =>
      Math.max(0, movedRemaining(awsRequestId) ?? deadline - Date.now()),
  };
}

createContext.renameLogStream = (name) => {
  OF_THE_PROCESS.logStreamName = env.AWS_LAMBDA_LOG_STREAM_NAME = name;
};

module.exports = { createContext };
