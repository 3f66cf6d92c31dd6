// The same as an ES module.
import godwit from 'godwit';
import { waitForCallback } from 'godwit';

export const take = async () => {
  return { taken: [await godwit.waitForCallback(), await waitForCallback()] };
};
