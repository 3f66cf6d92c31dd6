'use strict';
// Starts a Node.js function, as the sandbox does: `node /var/runtime/bootstrap.js`.
//
//   api.js      the Runtime API over one kept connection; http.js reads its replies
//   handler.js  finds the function that _HANDLER names, in a CommonJS or an ES module
//   context.js  the handler's second argument
//   outcome.js  which of its many ways a handler took to answer
//   errors.js   Lambda's error objects
//   logs.js     Lambda's log lines
//   template.js the start of a template; hooks.js keeps what the function wants to do then
//   call.js     which call runs, for modules/godwit: what a function may ask of Godwit
//
// It keeps one socket and starts nothing that a checkpoint cannot carry.

const { Api, NEXT, respond, fail } = require('./api');
const running = require('./call');
const { Fault, describe } = require('./errors');
const { loadHandler } = require('./handler');
const logs = require('./logs');
const { follow } = require('./outcome');

const api = new Api(process.env.AWS_LAMBDA_RUNTIME_API || '');
let phase = 'starting'; // then 'waiting' and 'running' by turns, at last perhaps 'crashed'
let requestId = '';
let exhausted = () =>
  crash(new Fault('Runtime.NodeJsExit', 'The module never finished loading'), 'Init Error', 1);

function report(error, title) {
  const { errorType, errorMessage, trace } = describe(error);
  logs.write('ERROR', `${title}\t${JSON.stringify({ errorType, errorMessage, stack: trace })}`);
  return { errorType, errorMessage, trace };
}

// The last words of a process that cannot go on; those of an idle one are only logged.
function crash(error, title, status) {
  if (phase === 'crashed') return;
  const id = phase === 'starting' ? '' : requestId;
  const request = fail(id, report(error, title), error?.phase);
  if (phase === 'waiting') process.exit(status);
  phase = 'crashed';
  api.send(request, () => process.exit(status));
}

function serve(handler) {
  const verdict = (reply) => {
    if (reply.status < 300) return;
    logs.say(`godwit: the answer was refused: ${reply.status} ${reply.takeBody()}`);
  };
  const next = (invocation) => {
    requestId = invocation.header('lambda-runtime-aws-request-id');
    if (invocation.status !== 200 || !requestId) {
      api.broken(`asked for an event, it answered ${invocation.status}`);
    }
    logs.setRequestId(requestId);
    running.id = requestId;
    phase = 'running';
    const settle = (error, body) => {
      if (phase !== 'running') return;
      phase = 'waiting';
      running.id = '';
      const answer = error
        ? fail(requestId, report(error.reason, 'Invoke Error'))
        : respond(requestId, body);
      api.send(answer + NEXT, verdict, next);
    };
    exhausted = follow(handler, invocation, settle);
  };
  phase = 'waiting';
  api.send(NEXT, next);
}

process.on('uncaughtException', (error) => crash(error, 'Uncaught Exception', 129));
process.on('unhandledRejection', (reason) => {
  crash(
    new Fault('Runtime.UnhandledPromiseRejection', String(reason), reason),
    'Unhandled Promise Rejection',
    128,
  );
});
// The connection keeps the event loop alive only while a reply is due (see api.js). So when it runs
// empty, the function's code has nothing left to do.
process.on('beforeExit', () => exhausted());

async function start() {
  const snapStart = process.env.AWS_LAMBDA_INITIALIZATION_TYPE === 'snap-start';
  const template = snapStart ? require('./template') : null;
  const root = process.env.LAMBDA_TASK_ROOT || process.cwd();
  const handler = await loadHandler(process.env._HANDLER || '', root);
  if (template) await template.become(api, handler);
  return handler;
}

start().then(serve, (error) => crash(error, 'Init Error', 1));
