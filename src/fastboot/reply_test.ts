import assert from "node:assert/strict";
import test from "node:test";
import {
  describePacket,
  parseDataLength,
  parseNumber,
  parseReply,
} from "./reply.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

const replies: [packet: string, status?: string, text?: string][] = [
  ["OKAY", "OKAY", ""],
  ["OKAYsdm845", "OKAY", "sdm845"],
  ["OKAY sdm845 \r\n", "OKAY", "sdm845"],
  ["OKAYsdm845\0\0\0", "OKAY", "sdm845"],
  ["OKAYsdm845\0garbage of before", "OKAY", "sdm845"],
  ["FAILunknown command", "FAIL", "unknown command"],
  ["DATA00001234", "DATA", "00001234"],
  ["INFO  a line\n", "INFO", "a line"],
  ["TEXT part \n\0", "TEXT", " part \n"],
  ["OKAYä", "OKAY", "ä"],
  ["OKA"],
  [""],
  ["okay"],
  ["\0\0\0\0OKAY"],
];
for (const [packet, status, text] of replies) {
  test(`parseReply() of ${JSON.stringify(packet)}`, () => {
    assert.deepEqual(
      parseReply(bytes(packet)),
      status === undefined ? undefined : { status, text },
    );
  });
}

test("parseReply() takes 256 bytes, and bytes that are no UTF-8", () => {
  const full = parseReply(bytes("OKAY" + "x".repeat(252)));
  assert.equal(full?.text.length, 252);
  const wild = parseReply(Uint8Array.of(0x4f, 0x4b, 0x41, 0x59, 0x61, 0xff));
  assert.deepEqual(wild, { status: "OKAY", text: "a\ufffd" });
});

test("parseDataLength() takes eight digits and nothing else", () => {
  assert.equal(parseDataLength("00001234"), 0x1234);
  assert.equal(parseDataLength("FFFFFFFF"), 0xffff_ffff);
  for (const text of ["", "1234", "0x001234", "000012345", "0000123g"]) {
    assert.equal(parseDataLength(text), undefined, text);
  }
});

test("parseNumber() reads sizes as bootloaders write them", () => {
  const cases: [string, number | undefined][] = [
    ["0x20000000", 0x2000_0000],
    ["0X1f", 31],
    ["536870912", 536870912],
    [" 268435456 ", 268435456],
    ["1fe00000", 0x1fe0_0000],
    ["", undefined],
    ["0x", undefined],
    ["512 MB", undefined],
    ["-1", undefined],
    ["0xffffffffffffffff", undefined],
  ];
  for (const [text, value] of cases) {
    assert.equal(parseNumber(text), value, text);
  }
});

test("describePacket() shows what can be shown", () => {
  assert.equal(describePacket(bytes("")), "an empty packet");
  assert.equal(describePacket(bytes('a"\\\0')), '"a\\x22\\x5c\\x00"');
  assert.equal(
    describePacket(new Uint8Array(40).fill(0x61)),
    `"${"a".repeat(32)}" (40 bytes)`,
  );
});
