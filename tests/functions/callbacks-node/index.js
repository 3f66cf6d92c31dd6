// Waits for callbacks, and tells what came.
const godwit = require('godwit');

exports.take = async ({ count = 1 }) => {
  const taken = [];
  for (let i = 0; i < count; ++i) taken.push(await godwit.waitForCallback());
  return { taken };
};

exports.together = async ({ count }) => {
  const taken = await Promise.all(Array.from({ length: count }, () => godwit.waitForCallback()));
  return { taken };
};

exports.givesUp = async ({ seconds }) => {
  const begun = Date.now();
  try {
    return { taken: await godwit.waitForCallback({ timeoutMs: seconds * 1000 }) };
  } catch (error) {
    const waited = (Date.now() - begun) / 1000;
    return { waited, error: error.name, taken: await godwit.waitForCallback() };
  }
};
