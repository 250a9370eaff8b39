import assert from "node:assert/strict";
import test from "node:test";
import {
  bytes,
  changed,
  refuses,
  refusesOtherLengths,
} from "../../tests/support/wire.ts";
import {
  decodeIdent,
  decodeRequest,
  decodeResponse,
  decodeStatus,
  encodeAnswer,
  encodeIdent,
  encodeRequest,
  encodeResponse,
  encodeStatus,
  IdentLayout,
  MessageLayout,
  StatusLayout,
} from "./messages.ts";

// The messages below are those of the reference's documents and tests.
const IDENT = "534d4f4f 0000 0100";
const STATUS = "0000 0100 01000000 8877665544332211";
const READ = "00000000 05000000 44332211 0010000000000000 00010000 00000000";

const REQUEST = {
  opcode: "read",
  requestId: 5,
  exportId: 0x11223344,
  lba: 0x1000n,
  blockCount: 256,
} as const;

test("layouts have the sizes and offsets of the protocol", () => {
  assert.deepEqual(IdentLayout.offsets, { magic: 0, major: 4, minor: 6 });
  assert.deepEqual(StatusLayout.offsets, {
    version: 0,
    flags: 2,
    exportCount: 4,
    sessionId: 8,
  });
  assert.deepEqual(MessageLayout.offsets, {
    opcode: 0,
    status: 1,
    reserved: 2,
    requestId: 4,
    exportId: 8,
    lba: 12,
    blockCount: 20,
    flags: 24,
  });
  assert.deepEqual(
    [IdentLayout, StatusLayout, MessageLayout].map(({ size }) => size),
    [8, 16, 28],
  );
});

test("IDENT is as in the reference, both ways", () => {
  assert.deepEqual(encodeIdent({ major: 0, minor: 1 }), bytes(IDENT));
  assert.deepEqual(decodeIdent(bytes(IDENT)), { major: 0, minor: 1 });
  assert.deepEqual(decodeIdent(changed(IDENT, 4, 2, 1, 4, 3)), {
    major: 0x102,
    minor: 0x304,
  });
});

test("decodeIdent() refuses other lengths and every wrong byte of the magic", () => {
  refusesOtherLengths(decodeIdent, IDENT, "smoo.bad-ident");
  for (let at = 0; at < 4; at++) {
    refuses(
      () => decodeIdent(changed(IDENT, at, 0)),
      "smoo.bad-ident",
      /magic is 0x[0-9a-f]{8}, expected 0x4f4f4d53$/,
    );
  }
});

test("STATUS is as in the reference, both ways", () => {
  const status = {
    active: true,
    exportCount: 1,
    sessionId: 0x1122334455667788n,
  };
  assert.deepEqual(encodeStatus(status), bytes(STATUS));
  assert.deepEqual(decodeStatus(bytes(STATUS)), status);
  const idle = { active: false, exportCount: 0, sessionId: 1n };
  const raw = bytes("0000 0000 00000000 0100000000000000");
  assert.deepEqual(encodeStatus(idle), raw);
  assert.deepEqual(decodeStatus(raw), idle);
});

test("decodeStatus() refuses other lengths and versions and session 0", () => {
  const code = "smoo.bad-status";
  refusesOtherLengths(decodeStatus, STATUS, code);
  refuses(() => decodeStatus(changed(STATUS, 0, 1)), code, /version is/);
  refuses(() => decodeStatus(changed(STATUS, 1, 1)), code, /version is/);
  refuses(
    () => decodeStatus(changed(STATUS, 8, 0, 0, 0, 0, 0, 0, 0, 0)),
    code,
    /session id 0/,
  );
});

test("decodeStatus() ignores flags that have no meaning yet", () => {
  assert.equal(decodeStatus(changed(STATUS, 2, 0xfe, 0xff)).active, false);
  assert.equal(decodeStatus(changed(STATUS, 2, 0xff, 0xff)).active, true);
});

test("Request and Response are as in the reference, both ways", () => {
  assert.deepEqual(encodeRequest(REQUEST), bytes(READ));
  assert.deepEqual(decodeRequest(bytes(READ)), REQUEST);
  const good = { ...REQUEST, status: 0 };
  assert.deepEqual(encodeResponse(good), bytes(READ));
  assert.deepEqual(decodeResponse(bytes(READ)), good);
  const failed = { ...REQUEST, status: 5 };
  assert.deepEqual(encodeResponse(failed), changed(READ, 1, 5));
  assert.deepEqual(decodeResponse(changed(READ, 1, 5)), failed);
});

test("encodeAnswer() is encodeResponse() of the Request, reserved bytes cleared", () => {
  const raw = bytes(READ);
  for (const at of [1, 2, 3, 24, 25, 26, 27]) raw[at] = 255;
  for (const status of [0, 5, 95, 255]) {
    const response = encodeResponse({ ...decodeRequest(raw), status });
    assert.deepEqual(encodeAnswer(raw, status), response);
  }
  assert.equal(raw[1], 255);
});

test("Requests have the opcodes 0 to 3 and the whole range of each number", () => {
  for (const [i, opcode] of ["read", "write", "flush", "discard"].entries()) {
    const raw = changed(READ, 0, i);
    assert.deepEqual(decodeRequest(raw), { ...REQUEST, opcode });
    assert.deepEqual(encodeRequest(decodeRequest(raw)), raw);
  }
  const most = bytes(`00000000 ${"f".repeat(40)} 00000000`);
  assert.deepEqual(decodeRequest(most), {
    opcode: "read",
    requestId: 0xffffffff,
    exportId: 0xffffffff,
    lba: 2n ** 64n - 1n,
    blockCount: 0xffffffff,
  });
  assert.deepEqual(encodeRequest(decodeRequest(most)), most);
});

test("decodeRequest() ignores reserved bytes and flags", () => {
  for (const at of [1, 2, 3, 24, 25, 26, 27]) {
    assert.deepEqual(decodeRequest(changed(READ, at, 255)), REQUEST);
  }
});

test("Request and Response refuse other lengths and opcodes", () => {
  for (const decode of [decodeRequest, decodeResponse]) {
    refusesOtherLengths(decode, READ, "smoo.bad-length");
    for (let opcode = 4; opcode < 256; opcode++) {
      refuses(
        () => decode(changed(READ, 0, opcode)),
        "smoo.bad-opcode",
        new RegExp(`found opcode ${opcode}, expected 0 to 3$`),
      );
    }
  }
});

test("what does not fit a message is refused", () => {
  for (const status of [-1, 256, 0.5]) {
    assert.throws(() => encodeResponse({ ...REQUEST, status }), RangeError);
  }
  assert.throws(() => encodeRequest({ ...REQUEST, lba: -1n }), RangeError);
  assert.throws(
    () => encodeRequest({ ...REQUEST, opcode: "trim" as "read" }),
    /found opcode "trim", expected one of read, write, flush, discard/,
  );
});
