'use strict';
// The call that runs now. `id` is its request id, or '' between calls.

module.exports = { id: '' };
