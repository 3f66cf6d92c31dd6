// A session of @aws-sdk/client-lambda with a node: `node session.mjs ENDPOINT ZIP`. Prints each
// answer as one line of JSON; ends with 1 at the first that is not as it should be.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  CreateFunctionCommand, DeleteFunctionCommand, GetFunctionCommand,
  GetFunctionConfigurationCommand, InvokeCommand, LambdaClient, ListFunctionsCommand,
  ResourceNotFoundException, UpdateFunctionCodeCommand, UpdateFunctionConfigurationCommand,
  waitUntilFunctionActiveV2, waitUntilFunctionUpdatedV2,
} from "@aws-sdk/client-lambda";

const [endpoint, zip] = process.argv.slice(2);
const client = new LambdaClient({
  endpoint, region: "us-east-1", maxAttempts: 1,
  credentials: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "secret" },
});
const FunctionName = "js";
const ZipFile = readFileSync(zip);

async function ask(command) {
  const { $metadata, ...answer } = await client.send(command);
  console.log(JSON.stringify({ [command.constructor.name]: $metadata.httpStatusCode, ...answer }));
  return { status: $metadata.httpStatusCode, ...answer };
}

const made = await ask(new CreateFunctionCommand({
  FunctionName, Runtime: "python3.11", Handler: "handler.handler", Code: { ZipFile },
  Role: "arn:aws:iam::000000000000:role/none", Environment: { Variables: { GREETING: "hello" } },
}));
assert.equal(made.status, 201);
assert.equal(made.FunctionName, FunctionName);
assert.equal(made.CodeSize, ZipFile.length);
await waitUntilFunctionActiveV2({ client, maxWaitTime: 30 }, { FunctionName });

const listed = await ask(new ListFunctionsCommand({}));
assert.ok(listed.Functions.some((one) => one.FunctionArn === made.FunctionArn));
const got = await ask(new GetFunctionCommand({ FunctionName: made.FunctionArn }));
assert.equal(got.Configuration.CodeSha256, made.CodeSha256);

const called = await ask(new InvokeCommand({
  FunctionName, LogType: "Tail", Payload: JSON.stringify({ name: "edge" }),
  ClientContext: Buffer.from(JSON.stringify({ custom: { from: "js" } })).toString("base64"),
}));
assert.equal(called.StatusCode, 200);
assert.equal(called.FunctionError, undefined);
assert.equal(called.ExecutedVersion, "$LATEST");
const answer = JSON.parse(Buffer.from(called.Payload).toString());
assert.deepEqual(answer.event, { name: "edge" });
assert.equal(answer.greeting, "hello");
assert.deepEqual(answer.client, { from: "js" });
assert.match(Buffer.from(called.LogResult, "base64").toString(), /echo was called by/);
assert.equal((await ask(new InvokeCommand({ FunctionName, InvocationType: "Event" }))).StatusCode, 202);
assert.equal((await ask(new InvokeCommand({ FunctionName, InvocationType: "DryRun" }))).StatusCode, 204);

await ask(new UpdateFunctionConfigurationCommand({
  FunctionName, Handler: "handler.fail", Timeout: 7, MemorySize: 256,
}));
await waitUntilFunctionUpdatedV2({ client, maxWaitTime: 30 }, { FunctionName });
const configuration = await ask(new GetFunctionConfigurationCommand({ FunctionName }));
assert.equal(configuration.Timeout, 7);
assert.equal(configuration.MemorySize, 256);
assert.equal(configuration.Environment.Variables.GREETING, "hello");
assert.notEqual(configuration.RevisionId, made.RevisionId);
const failed = await ask(new InvokeCommand({
  FunctionName, Payload: JSON.stringify({ name: "edge" }),
}));
assert.equal(failed.StatusCode, 200);
assert.equal(failed.FunctionError, "Unhandled");
const error = JSON.parse(Buffer.from(failed.Payload).toString());
assert.equal(error.errorType, "ValueError");
assert.equal(error.errorMessage, "no such name: edge");
assert.ok(error.stackTrace.length > 0);

const updated = await ask(new UpdateFunctionCodeCommand({ FunctionName, ZipFile }));
assert.equal(updated.CodeSha256, made.CodeSha256);
assert.equal((await ask(new DeleteFunctionCommand({ FunctionName }))).status, 204);
await assert.rejects(client.send(new GetFunctionCommand({ FunctionName })), (gone) => {
  assert.ok(gone instanceof ResourceNotFoundException, String(gone));
  assert.equal(gone.$metadata.httpStatusCode, 404);
  return true;
});
console.log("done");
