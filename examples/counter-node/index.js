'use strict';
// Counts its calls in a variable of the module, for as long as the instance lives, and sleeps when
// it is asked to: {"seconds": 20}. Both the count and a sleeping call outlive being put away.

const { setTimeout: sleep } = require('timers/promises');

let calls = 0;

exports.handler = async (event) => {
  const call = ++calls;
  const start = Date.now();
  if (event.seconds) {
    console.log(`call ${call} falls asleep for ${event.seconds} s`);
    await sleep(event.seconds * 1000);
  }
  return { call, slept: Math.round((Date.now() - start) / 1000) };
};
