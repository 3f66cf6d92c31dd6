// Computes, waits in the middle of a loop with local state, computes on and returns.
exports.handler = async ({ seconds }) => {
  let sum = 0;
  let asleep, awake;
  for (let number = 1; number <= 1000; ++number) {
    sum += number * number;
    if (number === 500) {
      asleep = Date.now() / 1000;
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      awake = Date.now() / 1000;
    }
  }
  return { sum, asleep, awake, returned: null };
};
