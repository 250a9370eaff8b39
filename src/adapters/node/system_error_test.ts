import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { ReadError } from "../../errors.ts";
import { systemCode } from "./system_error.ts";

test("systemCode() gives the code of errors of the system alone", async () => {
  const missing = await readFile("/none/at/all").catch((error) => error);
  assert.equal(systemCode(missing), "ENOENT");
  assert.equal(systemCode(new ReadError("read.failed", "Cannot read")), "");
  assert.equal(systemCode(new Error("failed")), "");
  assert.equal(systemCode({ code: "ENOENT" }), "");
});
