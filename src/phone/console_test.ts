import assert from "node:assert/strict";
import { test } from "node:test";
import { ConsoleError, PhoneConsole } from "./console.ts";

test("waitFor() finds what is there, what comes in pieces, and only behind the last find", async () => {
  const console = new PhoneConsole();
  console.push("a login: \r\n");
  assert.equal((await console.waitFor(/login: /)).index, 2);
  const second = console.waitFor(/log(in): /);
  let done = false;
  second.then(() => done = true);
  console.push("b log");
  await Promise.resolve();
  assert.equal(done, false);
  console.push("in: ");
  assert.equal((await second)[1], "in");
  assert.equal(console.text, "a login: \nb login: ");
});

test("waitFor() ends with the console, after its time, and with its signal", async () => {
  const console = new PhoneConsole();
  console.push("Kernel panic\n");
  await assert.rejects(
    console.waitFor(/never/, { timeoutMs: 1 }),
    (error) =>
      error instanceof ConsoleError &&
      /1 ms went by.*panic/s.test(error.message),
  );
  const reason = new Error("enough");
  const controller = new AbortController();
  const left = console.waitFor(/never/, { signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(left, reason);
  const waiting = console.waitFor(/never/);
  console.end();
  await assert.rejects(
    waiting,
    /the console ended; its last lines:\n {2}Kernel/,
  );
  await assert.rejects(console.waitFor(/never/), ConsoleError);
  assert.ok(await console.waitFor(/panic/));
});
