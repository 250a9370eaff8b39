import test from "node:test";
import assert from "node:assert/strict";
import { isCoded } from "../errors.ts";
import { openBlob } from "./blob.ts";

/** A file of 100 bytes whose reads end as given. */
function odd(outcome: () => Promise<ArrayBuffer>): File {
  const file = new File([new Uint8Array(100)], "image.img");
  file.slice = () => {
    const part = new Blob([]);
    part.arrayBuffer = outcome;
    return part;
  };
  return file;
}

test("openBlob() names files by name, size and time", () => {
  const a = new File(["abc"], "a", { lastModified: 5 });
  const same = new File(["abc"], "a", { lastModified: 5 });
  const later = new File(["abc"], "a", { lastModified: 6 });
  assert.equal(openBlob(a).identity, openBlob(same).identity);
  assert.notEqual(openBlob(a).identity, openBlob(later).identity);
  const blob = new Blob(["abc"]);
  assert.notEqual(openBlob(blob).identity, openBlob(blob).identity);
});

test("openBlob() says by code that the file was changed", async () => {
  const gone = new DOMException("gone", "NotReadableError");
  const outcomes = [
    () => Promise.reject(gone),
    () => Promise.resolve(new ArrayBuffer(3)),
  ];
  for (const outcome of outcomes) {
    const read = openBlob(odd(outcome)).read(0, new Uint8Array(10));
    await assert.rejects(read, (error) => isCoded(error, "read.changed"));
  }
});

test("openBlob() passes on why a read failed", async () => {
  const cause = new Error("no luck");
  const reader = openBlob(odd(() => Promise.reject(cause)));
  await assert.rejects(
    reader.read(0, new Uint8Array(10)),
    (error) => isCoded(error, "read.failed") && error.cause === cause,
  );
});

test("openBlob() leaves a read that never ends", async () => {
  const reader = openBlob(odd(() => new Promise(() => {})));
  const controller = new AbortController();
  const reason = new Error("left");
  const { signal } = controller;
  const read = reader.read(0, new Uint8Array(10), { signal });
  controller.abort(reason);
  await assert.rejects(read, (error) => error === reason);
});

test("openBlob() refuses what is no Blob", () => {
  assert.throws(() => openBlob({} as Blob), TypeError);
});
