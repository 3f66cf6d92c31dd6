// Adds up squares. Each number goes through a socket and back, and after each it waits: `steps`
// times for `pause` seconds, what it has added up so far in its local variables.
const net = require('node:net');
const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');

exports.handler = async ({ steps, pause }, { awsRequestId }) => {
  const echo = net.createServer((peer) => peer.pipe(peer)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const line = net.connect(echo.address().port, '127.0.0.1');
  let sum = 0;
  for (let number = 1; number <= steps; ++number) {
    line.write(`${number}\n`);
    const [heard] = await once(line, 'data');
    sum += Number(heard) ** 2;
    await sleep(pause * 1000);
  }
  line.destroy();
  echo.close();
  return { sum, awsRequestId };
};
