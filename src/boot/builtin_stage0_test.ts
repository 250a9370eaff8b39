import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { builtinStage0 } from "./builtin_stage0.ts";
import * as aarch64 from "./stage0_aarch64_bytes.ts";
import { checkStage0 } from "./stage0_binary.ts";
import * as x86_64 from "./stage0_x86_64_bytes.ts";

const MAX_SIZE = 160 << 10;

for (const [machine, built] of Object.entries({ aarch64, x86_64 })) {
  test(`the stage0 built in for ${machine} is static, small and what was built`, async () => {
    const bytes = await builtinStage0(machine as "aarch64" | "x86_64");
    checkStage0(bytes, machine as "aarch64" | "x86_64");
    assert.equal(bytes.length, built.PROGRAM_SIZE);
    assert.ok(bytes.length <= MAX_SIZE, `${bytes.length} bytes`);
    const sum = createHash("sha256").update(bytes).digest("hex");
    assert.equal(sum, built.PROGRAM_SHA256);
  });
}
