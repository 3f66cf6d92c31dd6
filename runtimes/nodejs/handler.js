'use strict';
// Finds the function that _HANDLER names: `module.function`, or `folder/module.path.to.function`.

const fs = require('fs');
const Module = require('module');
const path = require('path');
const { pathToFileURL } = require('url');
const { Fault } = require('./errors');

const LAYERS = '/opt/nodejs/node_modules';
const ES_MODULE = ['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE'];

// Rejects with a Fault for what Lambda has a name for, else with whatever the module threw.
async function loadHandler(name, root) {
  const parts = /^(.*\/)?([^./]+)\.([^/]+)$/.exec(name);
  if (!parts || name.includes('..')) {
    throw new Fault(
      'Runtime.MalformedHandlerName',
      `Bad handler '${name}': it is not of the form module.function`,
    );
  }
  const [, folder = '', file, names] = parts;
  const module = await loadModule(folder + file, root);
  const handler = names.split('.').reduce((value, key) => value?.[key], module);
  if (typeof handler !== 'function') {
    const what = handler === undefined ? 'undefined or not exported' : 'not a function';
    throw new Fault('Runtime.HandlerNotFound', `${name} is ${what}`);
  }
  return handler;
}

async function loadModule(name, root) {
  process.env.NODE_PATH = process.env.NODE_PATH ? `${process.env.NODE_PATH}:${LAYERS}` : LAYERS;
  Module._initPaths(); // the only way to have it read again
  try {
    return await requireOrImport(locate(name, root));
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new Fault('Runtime.UserCodeSyntaxError', String(error), error);
    }
    if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') {
      throw new Fault('Runtime.ImportModuleError', String(error), error);
    }
    throw error;
  }
}

function locate(name, root) {
  const file = ['.js', '.mjs', '.cjs']
    .map((suffix) => path.resolve(root, name + suffix))
    .find(fs.existsSync);
  return file || require.resolve(name, { paths: [root] });
}

// Only Node itself knows which of the two a file is, so it is asked.
async function requireOrImport(file) {
  try {
    return require(file);
  } catch (error) {
    if (!ES_MODULE.includes(error?.code)) throw error;
    return import(pathToFileURL(file).href);
  }
}

module.exports = { loadHandler };
