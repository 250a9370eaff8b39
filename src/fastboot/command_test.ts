import assert from "node:assert/strict";
import test from "node:test";
import { commandText, encodeCommand, type FastbootCommand } from "./command.ts";

const text = (command: FastbootCommand) =>
  new TextDecoder().decode(encodeCommand(command));

test("encodeCommand() writes what bootloaders read", () => {
  assert.equal(text({ name: "getvar", variable: "product" }), "getvar:product");
  assert.equal(text({ name: "download", length: 0x1234 }), "download:00001234");
  assert.equal(
    text({ name: "download", length: 0xffff_ffff }),
    "download:ffffffff",
  );
  for (const name of ["boot", "continue", "reboot"] as const) {
    assert.equal(text({ name }), name);
  }
});

test("encodeCommand() refuses what is longer than the bootloader takes", () => {
  const command = { name: "getvar", variable: "v".repeat(57) } as const;
  assert.equal(encodeCommand(command).length, 64);
  const longer = { name: "getvar", variable: "v".repeat(58) } as const;
  assert.throws(() => encodeCommand(longer), {
    code: "fastboot.command-too-long",
    facts: { command: commandText(longer), length: 65, limit: 64 },
  });
  assert.equal(encodeCommand(longer, 4096).length, 65);
});

test("encodeCommand() refuses variables that are not printable, and lengths that are none", () => {
  for (const variable of ["", "a\0", "a\n", "ä", "\x7f"]) {
    assert.throws(
      () => encodeCommand({ name: "getvar", variable }),
      TypeError,
    );
  }
  for (const length of [0, -1, 1.5, NaN, 2 ** 32]) {
    assert.throws(
      () => encodeCommand({ name: "download", length }),
      RangeError,
    );
  }
});

test("encodeCommand() cannot be made to say anything else", () => {
  // @ts-expect-error: these are no commands
  const none: FastbootCommand = { name: "flash", partition: "boot" };
  assert.throws(() => encodeCommand(none), {
    name: "TypeError",
    message:
      'Cannot send "flash" to a phone: expected getvar, download, boot, continue or reboot',
  });
  // @ts-expect-error: nor has it a member to put one into
  encodeCommand({ name: "boot", argument: "x" });
});
