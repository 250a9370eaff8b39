import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";
import { ProfileError } from "../errors.ts";
import { formatProblem, parseProfile } from "./parse.ts";

const DEVPROS = new URL("../../devpros/", import.meta.url);
const INVALID = new URL("invalid/", DEVPROS);

const read = (name: string, folder = DEVPROS) =>
  readFileSync(new URL(name, folder), "utf8");

function refusal(text: string, name = "x.yaml"): ProfileError {
  try {
    parseProfile(text, name);
  } catch (error) {
    assert.ok(error instanceof ProfileError, String(error));
    return error;
  }
  return assert.fail(`accepted: ${text}`);
}

for (const name of readdirSync(INVALID).sort()) {
  test(`parseProfile() refuses ${name}`, () => {
    const text = read(name, INVALID);
    const expected = [...text.matchAll(/^# refused: (.*)$/gm)].map((m) => m[1]);
    assert.ok(expected.length > 0, "the file does not say what is wrong in it");
    const { problems, code, message } = refusal(text, name);
    const found = problems.map(({ code, line, column, path }) =>
      `${code} ${line}:${column} ${path}`.trimEnd()
    );
    assert.deepEqual(found, expected);
    assert.equal(code, problems[0]?.code);
    assert.ok(message.includes(problems[0]!.reason));
    assert.ok(!message.endsWith("."));
  });
}

const DEMO = read("oneplus-fajita.yaml");

for (const name of readdirSync(DEVPROS).filter((n) => n.endsWith(".yaml"))) {
  test(`parseProfile() accepts ${name}`, () => {
    const text = read(name);
    const profile = parseProfile(text, name);
    assert.equal(`${profile.id}.yaml`, name);
    assert.match(text, /^# yaml-language-server: \$schema=schema\.json\n/);
    assert.ok(profile.stage0.kernel_modules.length > 0);
  });
}

test("parseProfile() gives every key of the file", () => {
  assert.deepEqual(parseProfile(DEMO, "x"), {
    id: "oneplus-fajita",
    display_name: "OnePlus 6T",
    devicetree_name: "qcom/sdm845-oneplus-fajita",
    match: [{ fastboot: { vid: 0x18d1, pid: 0xd00d } }],
    probe: [
      { "fastboot.getvar": "product", equals: "sdm845" },
      { "fastboot.getvar": "partition-type:op2", equals: "raw" },
    ],
    boot: {
      fastboot_boot: {
        android_bootimg: {
          header_version: 2,
          page_size: 4096,
          base: 0,
          kernel_offset: 0x8000,
          kernel: { encoding: "image.gz" },
        },
      },
    },
    stage0: {
      kernel_modules: [
        "nvmem_qfprom",
        "fixed",
        "qcom_rpmh_regulator",
        "phy_qcom_qusb2",
        "dwc3_qcom",
        "dwc3",
      ],
    },
  });
});

test("parseProfile() reads not_exists as not_exists", () => {
  for (const comparator of ["exists", "not_exists"]) {
    for (const nothing of ["", " null", " ~"]) {
      const text = DEMO.replace("equals: raw", `${comparator}:${nothing}`);
      assert.deepEqual(parseProfile(text, "x").probe[1], {
        "fastboot.getvar": "partition-type:op2",
        [comparator]: null,
      });
    }
  }
});

test("parseProfile() takes bootimg for android_bootimg", () => {
  const text = DEMO.replace("android_bootimg:", "bootimg:");
  assert.deepEqual(parseProfile(text, "x"), parseProfile(DEMO, "x"));
});

test("parseProfile() reads JSON, also with tabs, and Windows' line ends", () => {
  const profile = parseProfile(DEMO, "x");
  for (const indent of [0, 2, "\t"]) {
    const json = JSON.stringify(profile, null, indent);
    assert.deepEqual(parseProfile(json, "x.json"), profile);
    assert.deepEqual(parseProfile(`\ufeff${json}\r\n`, "x.json"), profile);
  }
  assert.deepEqual(parseProfile(DEMO.replaceAll("\n", "\r\n"), "x"), profile);
});

test("parseProfile() takes anchors that stay small", () => {
  const text = DEMO.replace("id: one", "id: &id one")
    .replace("display_name: OnePlus 6T", "display_name: *id");
  assert.equal(parseProfile(text, "x").display_name, "oneplus-fajita");
});

test("parseProfile() says where an aliased part is wrong", () => {
  const text = DEMO.replace(
    "      kernel:\n        encoding: image.gz",
    [
      "      kernel: &kernel",
      "        encoding: image.gz",
      "      initrd: *kernel",
    ].join("\n"),
  );
  const [problem] = refusal(text).problems;
  assert.equal(problem?.code, "profile.unknown-key");
  assert.equal(
    problem?.path,
    "boot.fastboot_boot.android_bootimg.initrd.encoding",
  );
  assert.equal(
    text.split("\n")[problem.line - 1],
    "        encoding: image.gz",
  );
});

test("parseProfile() names the place, what was found and the nearest key", () => {
  const text = DEMO.replace("equals: raw", "equal: raw");
  const error = refusal(text, "my.yaml");
  assert.equal(
    error.message,
    'Cannot use device profile "my.yaml", line 14, column 5, probe[1].equal: unknown key ' +
      '"equal", expected one of fastboot.getvar, equals, starts_with, not_equals, exists, ' +
      'not_exists; did you mean "equals"?',
  );
  assert.deepEqual(error.facts, {
    name: "my.yaml",
    line: 14,
    column: 5,
    path: "probe[1].equal",
    found: "equal",
    expected:
      "fastboot.getvar, equals, starts_with, not_equals, exists, not_exists",
    nearest: "equals",
  });
  assert.equal(
    formatProblem("my.yaml", error.problems[0]!),
    `my.yaml:14:5: probe[1].equal: ${error.problems[0]!.reason}`,
  );
});

test("parseProfile() says where a key belongs", () => {
  const text = DEMO.replace(
    "    android_bootimg:",
    "    cmdline_append: quiet\n    android_bootimg:",
  );
  assert.match(
    refusal(text).message,
    /; it belongs to boot\.fastboot_boot\.android_bootimg$/,
  );
});

test("parseProfile() tells the other problems of a file", () => {
  const text = DEMO.replace("header_version: 2", "header_version: two")
    .replace("page_size: 4096", "page_size: 4095");
  const error = refusal(text);
  assert.equal(error.problems.length, 2);
  assert.match(error.message, /; and 1 more problem$/);
});

test("parseProfile() refuses what no text or number means", () => {
  const wrong: [from: string, to: string][] = [
    ["base: 0", "base:"],
    ["base: 0", "base: .nan"],
    ["base: 0", "base: 1.5"],
    ["base: 0", "base: 0xffffffffffffffffff"],
    ["base: 0", "base: {}"],
    ["base: 0", "base: 0\n      __proto__: {}"],
    ["base: 0", "base: 0\n      constructor: {}"],
    ["base: 0", "base: 0\n      <<: {}"],
    ["base: 0", "base: 0\n      ? [a]\n      : 1"],
    ["equals: raw", 'equals: raw\n    "": 1'],
    ["product", '"pro duct"'],
    ["product", "x".repeat(58)],
    ["display_name: OnePlus 6T", 'display_name: "a\\nb"'],
  ];
  for (const [from, to] of wrong) {
    assert.ok(DEMO.includes(from));
    assert.match(refusal(DEMO.replace(from, to)).code, /^profile\./);
  }
});

test("parseProfile() takes a command line that fits its header, not one byte more", () => {
  const withCmdline = (version: number, length: number) =>
    DEMO.replace("header_version: 2", `header_version: ${version}`)
      .replace("image.gz", "image.gz+dtb")
      .replace(
        "      kernel:",
        `      cmdline_append: ${"x".repeat(length)}\n      kernel:`,
      );
  for (const [version, most] of [[0, 1534], [2, 1534], [4, 1535]] as const) {
    parseProfile(withCmdline(version, most), "x");
    const { code, message } = refusal(withCmdline(version, most + 1));
    assert.equal(code, "profile.cmdline-too-long");
    assert.match(message, new RegExp(`at most ${most}, .* version ${version}`));
  }
});

test("parseProfile() bounds what a file may ask of it", () => {
  const start = performance.now();
  const large: [text: string, code: string][] = [
    [`${DEMO}# ${"x".repeat(1 << 20)}`, "profile.too-large"],
    ["[".repeat(60_000), "profile.syntax"],
    ["{a: ".repeat(16_000), "profile.syntax"],
    ["- ".repeat(30_000), "profile.syntax"],
    [
      Array.from({ length: 300 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"),
      "profile.unknown-key",
    ],
    ["a: &a [*a]", "profile.unknown-key"],
  ];
  for (const [text, code] of large) assert.equal(refusal(text).code, code);
  assert.ok(performance.now() - start < 10_000);
});
