import assert from "node:assert/strict";
import test from "node:test";
import { isCoded } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import {
  ConfigLayout,
  decodeConfig,
  decodeIdent,
  decodeRequest,
  decodeResponse,
  decodeStatus,
  encodeConfig,
  encodeIdent,
  encodeRequest,
  encodeResponse,
  encodeStatus,
  ExportLayout,
  IdentLayout,
  MessageLayout,
  StatusLayout,
} from "./messages.ts";

// The messages below are those of the reference's documents and tests.
const IDENT = "534d4f4f 0000 0100";
const CONFIG =
  "0000 0100 00000000 44332211 00020000 0000004000000000 0000000000000000";
const STATUS = "0000 0100 01000000 8877665544332211";
const READ = "00000000 05000000 44332211 0010000000000000 00010000 00000000";

const REQUEST = {
  opcode: "read",
  requestId: 5,
  exportId: 0x11223344,
  lba: 0x1000n,
  blockCount: 256,
} as const;
const EXPORT = { exportId: 0x11223344, blockSize: 512, size: 2 ** 30 };

function bytes(hex: string): Uint8Array {
  const digits = hex.replaceAll(" ", "");
  return Uint8Array.from(
    { length: digits.length / 2 },
    (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
}

/** `hex` with other bytes from `at` on. */
function changed(hex: string, at: number, ...values: number[]): Uint8Array {
  const all = bytes(hex);
  all.set(values, at);
  return all;
}

function refuses(work: () => unknown, code: ErrorCode, text: RegExp): void {
  assert.throws(work, (error) => {
    assert.ok(isCoded(error, code), String(error));
    assert.match(error.message, text);
    return true;
  });
}

/** Every length but the right one is refused, from none to one byte more. */
function refusesOtherLengths(
  decode: (bytes: Uint8Array) => unknown,
  hex: string,
  code: ErrorCode,
): void {
  const all = bytes(hex + "00");
  for (let length = 0; length <= all.length; length++) {
    if (length === all.length - 1) continue;
    refuses(
      () => decode(all.subarray(0, length)),
      code,
      new RegExp(`found ${length} bytes, expected \\d+$`),
    );
  }
}

test("layouts have the sizes and offsets of the protocol", () => {
  assert.deepEqual(IdentLayout.offsets, { magic: 0, major: 4, minor: 6 });
  assert.deepEqual(ConfigLayout.offsets, { version: 0, count: 2, flags: 4 });
  assert.deepEqual(ExportLayout.offsets, {
    exportId: 0,
    blockSize: 4,
    size: 8,
    reserved: 16,
  });
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
    [IdentLayout, ConfigLayout, ExportLayout, StatusLayout, MessageLayout]
      .map(({ size }) => size),
    [8, 8, 24, 16, 28],
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

test("CONFIG_EXPORTS is as in the reference, both ways", () => {
  assert.deepEqual(encodeConfig([EXPORT]), bytes(CONFIG));
  assert.deepEqual(decodeConfig(bytes(CONFIG)), [EXPORT]);
  assert.deepEqual(encodeConfig([]), bytes("0000 0000 00000000"));
  assert.deepEqual(decodeConfig(bytes("0000 0000 00000000")), []);
});

test("CONFIG_EXPORTS takes 32 exports of every block size and no 33rd", () => {
  const exports = Array.from({ length: 33 }, (_, i) => {
    const blockSize = 512 << (i % 8);
    return { exportId: i + 1, blockSize, size: blockSize * (i + 1) };
  });
  const most = exports.slice(0, 32);
  const all = encodeConfig(most);
  assert.equal(all.length, 776);
  assert.deepEqual(decodeConfig(all), most);
  assert.throws(
    () => encodeConfig(exports),
    /^RangeError: .*found 33 exports, expected at most 32/,
  );
  const more = new Uint8Array(800);
  more.set(all);
  more[2] = 33;
  refuses(() => decodeConfig(more), "smoo.bad-config", /found 33 exports/);
});

test("decodeConfig() refuses other lengths, versions and flags", () => {
  refusesOtherLengths(decodeConfig, CONFIG, "smoo.bad-config");
  const code = "smoo.bad-config";
  refuses(() => decodeConfig(changed(CONFIG, 0, 1)), code, /version is 0x0+1,/);
  refuses(() => decodeConfig(changed(CONFIG, 1, 1)), code, /version is/);
  for (let at = 4; at < 8; at++) {
    refuses(() => decodeConfig(changed(CONFIG, at, 1)), code, /flags is/);
  }
  refuses(() => decodeConfig(changed(CONFIG, 2, 2)), code, /expected 56$/);
});

test("decodeConfig() ignores reserved bytes, as the reference does", () => {
  for (let at = 24; at < 32; at++) {
    assert.deepEqual(decodeConfig(changed(CONFIG, at, 255)), [EXPORT]);
  }
});

test("exports that no gadget would take are refused on both ways", () => {
  const wrong: [Partial<typeof EXPORT>, RegExp][] = [
    [{ exportId: 0 }, /found export id 0, expected an integer of 1 to/],
    [{ blockSize: 0 }, /block size of export 0x11223344 is 0,/],
    [{ blockSize: 256 }, /block size .* is 256/],
    [{ blockSize: 131072 }, /block size .* is 131072/],
    [{ blockSize: 1536 }, /block size .* is 1536/],
    [{ blockSize: 2 ** 31 }, /block size .* is 2147483648/],
    [{ size: 0 }, /size of export 0x11223344 is 0, expected a multiple of 512/],
    [{ size: 1000 }, /size .* is 1000/],
    [{ size: 2 ** 53 }, /size .* is 9007199254740992/],
  ];
  for (const [change, text] of wrong) {
    const { exportId, blockSize, size } = { ...EXPORT, ...change };
    assert.throws(
      () => encodeConfig([{ exportId, blockSize, size }]),
      (error) => error instanceof RangeError && text.test(error.message),
    );
    const raw = bytes(CONFIG);
    const view = new DataView(raw.buffer);
    view.setUint32(8, exportId, true);
    view.setUint32(12, blockSize, true);
    view.setBigUint64(16, BigInt(size), true);
    refuses(() => decodeConfig(raw), "smoo.bad-config", text);
  }
  for (const exportId of [-1, 0.5, 2 ** 32, NaN]) {
    assert.throws(() => encodeConfig([{ ...EXPORT, exportId }]), RangeError);
  }
  assert.throws(() => encodeConfig([EXPORT, EXPORT]), /0x11223344 twice/);
  const twice = bytes(CONFIG + CONFIG.slice(19));
  twice[2] = 2;
  refuses(() => decodeConfig(twice), "smoo.bad-config", /0x11223344 twice/);
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
