'use strict';
// What the function wants to have run before its template is kept, in the reverse order of the
// registration, and in every clone of it, in the order of it. They may be asynchronous.

const before = [];
const after = [];

async function runBefore() {
  for (const hook of [...before].reverse()) await hook();
}

async function runAfter() {
  for (const hook of after) await hook();
}

module.exports = { before, after, runBefore, runAfter };
