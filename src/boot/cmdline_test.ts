import assert from "node:assert/strict";
import test from "node:test";
import { isCoded } from "../errors.ts";
import { checkCmdline, parseCmdline } from "./cmdline.ts";

test("parseCmdline() takes words apart as next_arg() of Linux does", () => {
  const cases: [string, string, string | undefined][] = [
    ["quiet", "quiet", undefined],
    ["a=b", "a", "b"],
    ["a=b=c", "a", "b=c"],
    ["a=", "a", ""],
    ["=a", "=a", undefined],
    ["=a=b", "=a", "b"],
    ['a="b c"', "a", "b c"],
    ['a="b c"d', "a", 'b c"d'],
    ['a=b"c d"', "a", 'b"c d"'],
    ['"a=b c"', "a", "b c"],
    ['"a b"', "a b", undefined],
    ['a="x=y z"', "a", "x=y z"],
    ['a=""', "a", ""],
    ['dyndbg="file x.c +p"', "dyndbg", "file x.c +p"],
    ["ü=ß", "ü", "ß"],
  ];
  for (const [text, name, value] of cases) {
    const [word, ...rest] = parseCmdline(`  ${text} `);
    assert.deepEqual(rest, []);
    assert.equal(word?.text, text);
    assert.equal(word.name, name, text);
    assert.equal(word.value, value, text);
  }
  const text = 'a  b="c  d"   "e f"';
  assert.deepEqual(parseCmdline(text).map((word) => word.text), [
    "a",
    'b="c  d"',
    '"e f"',
  ]);
  assert.deepEqual(parseCmdline(""), []);
});

test("parseCmdline() refuses line ends and quotes without another", () => {
  for (const text of ["a\nb", "a\tb", "a\0", "\x7f"]) {
    assert.throws(
      () => parseCmdline(text),
      (error) => isCoded(error, "cmdline.bad-character"),
    );
  }
  assert.throws(
    () => parseCmdline('quiet a="b c'),
    (error) =>
      isCoded(error, "cmdline.open-quote") &&
      error.message ===
        'Cannot use kernel command line: the quote at character 8 of "quiet a=\\"b c" has no other, expected two; add one',
  );
});

test("checkCmdline() counts bytes against header and kernel", () => {
  const cases: [number | undefined, number, RegExp][] = [
    [
      0,
      1534,
      /has 1535 bytes, expected at most 1534 for boot image header version 0; take out 1 bytes/,
    ],
    [2, 1534, /header version 2/],
    [
      3,
      1535,
      /has 1536 bytes, expected at most 1535 for boot image header version 3/,
    ],
    [4, 1535, /header version 4/],
    [
      undefined,
      2047,
      /has 2048 bytes, expected at most 2047 for the kernel on/,
    ],
  ];
  for (const machine of ["aarch64", "x86_64"] as const) {
    for (const [headerVersion, limit, message] of cases) {
      const limits = {
        machine,
        ...(headerVersion === undefined ? {} : { headerVersion }),
      };
      const text = `ü${"x".repeat(limit - 2)}`;
      checkCmdline(text, limits);
      assert.throws(
        () => checkCmdline(`${text}y`, limits),
        (error) =>
          isCoded(error, "cmdline.too-long") && message.test(error.message) &&
          error.facts["size"] === limit + 1 && error.facts["limit"] === limit,
      );
    }
  }
});
