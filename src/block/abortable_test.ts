import test from "node:test";
import assert from "node:assert/strict";
import { abortable, onAbort } from "./abortable.ts";

test("abortable() gives what the work gives", async () => {
  const { signal } = new AbortController();
  assert.equal(await abortable(Promise.resolve(1), signal), 1);
  assert.equal(await abortable(Promise.resolve(1), undefined), 1);
  await assert.rejects(
    abortable(Promise.reject(new Error("no")), signal),
    /no/,
  );
});

test("abortable() leaves at once, whatever becomes of the work", async () => {
  const controller = new AbortController();
  const endless = abortable(new Promise(() => {}), controller.signal);
  const failing = abortable(
    new Promise((_, reject) => setTimeout(() => reject(new Error("late")), 1)),
    controller.signal,
  );
  controller.abort("left");
  for (const wait of [endless, failing]) {
    await assert.rejects(wait, (error) => error === "left");
  }
  const after = abortable(Promise.reject(new Error("no")), controller.signal);
  await assert.rejects(after, (error) => error === "left");
  await new Promise((resolve) => setTimeout(resolve, 5));
});

test("onAbort() puts one listener on a signal and forgets who is done", () => {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal) as (
    ...args: unknown[]
  ) => void;
  signal.addEventListener = (...args: unknown[]) => {
    listeners++;
    add(...args);
  };
  const left: number[] = [];
  const forget = Array.from(
    { length: 100 },
    (_, i) => onAbort(signal, () => left.push(i)),
  );
  for (const [i, done] of forget.entries()) if (i % 2 === 0) done();
  controller.abort();
  assert.equal(listeners, 1);
  assert.equal(left.length, 50);
  assert.ok(left.every((i) => i % 2 === 1));
});
