import assert from "node:assert/strict";
import test from "node:test";
import {
  bytes,
  changed,
  refuses,
  refusesOtherLengths,
} from "../../tests/support/wire.ts";
import {
  ConfigLayout,
  decodeConfig,
  encodeConfig,
  ExportLayout,
} from "./config.ts";

// The message below is that of the reference's documents and tests: it knows no flags.
const CONFIG =
  "0000 0100 00000000 44332211 00020000 0000004000000000 0000000000000000";
const EXPORT = {
  exportId: 0x11223344,
  blockSize: 512,
  size: 2 ** 30,
  readOnly: false,
};

test("layouts of CONFIG_EXPORTS have the sizes and offsets of the protocol", () => {
  assert.deepEqual(ConfigLayout.offsets, { version: 0, count: 2, flags: 4 });
  assert.deepEqual(ExportLayout.offsets, {
    exportId: 0,
    blockSize: 4,
    size: 8,
    flags: 16,
  });
  assert.deepEqual([ConfigLayout.size, ExportLayout.size], [8, 24]);
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
    const size = blockSize * (i + 1);
    return { exportId: i + 1, blockSize, size, readOnly: i % 2 === 0 };
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

test("bit 0 of the flags of an export says that it is read-only", () => {
  const readOnly = { ...EXPORT, readOnly: true };
  assert.deepEqual(encodeConfig([readOnly]), changed(CONFIG, 24, 1));
  assert.deepEqual(decodeConfig(changed(CONFIG, 24, 1)), [readOnly]);
});

test("decodeConfig() ignores the other flags of an export, as the reference does", () => {
  for (let at = 24; at < 32; at++) {
    const [found] = decodeConfig(changed(CONFIG, at, 254));
    assert.deepEqual(found, EXPORT);
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
      () => encodeConfig([{ ...EXPORT, exportId, blockSize, size }]),
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
