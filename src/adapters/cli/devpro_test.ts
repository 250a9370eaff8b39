import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { runCli } from "../../../tests/support/run_cli.ts";
import { parseProfile } from "../../device/parse.ts";
import { BUILTIN_PROFILES } from "../../device/builtin.ts";

const INVALID = fileURLToPath(
  new URL("../../../devpros/invalid/", import.meta.url),
);

const home = mkdtempSync(join(tmpdir(), "fastboop-devpro-"));
const own = join(home, ".config", "fastboop", "devpro");
mkdirSync(own, { recursive: true });
after(() => rmSync(home, { recursive: true }));

/** Runs `fastboop devpro` as a user whose home is the folder above. */
const devpro = (...args: string[]) =>
  runCli(["devpro", ...args], {
    // Deno keeps what it compiled below the home
    DENO_DIR: process.env["DENO_DIR"] ??
      join(process.env["HOME"] ?? "/", ".cache", "deno"),
    HOME: home,
    XDG_CONFIG_HOME: "",
    FASTBOOP_SCHEMA_PATH: "",
  });

test("fastboop devpro list tells all phones and which answer alike", async () => {
  const { code, text, errors } = await devpro("list");
  const lines = text.trimEnd().split("\n");
  assert.equal(lines.length, BUILTIN_PROFILES.length);
  assert.match(
    lines.find((line) => line.startsWith("oneplus-fajita "))!,
    /^oneplus-fajita +OnePlus 6T +18d1:d00d +built-in +answers like oneplus-enchilada$/,
  );
  assert.equal(errors, "");
  assert.equal(code, 0);
});

test("fastboop devpro list --json prints one list, local profiles first", async () => {
  const mine = join(own, "mine.json");
  const broken = join(own, "broken.yaml");
  writeFileSync(
    mine,
    JSON.stringify({ ...BUILTIN_PROFILES[0], display_name: "mine" }),
  );
  writeFileSync(broken, "id: broken\n");
  const { code, text, errors } = await devpro("list", "--json");
  rmSync(mine);
  rmSync(broken);
  const rows = JSON.parse(text);
  assert.equal(rows.length, BUILTIN_PROFILES.length);
  assert.deepEqual(rows[0], {
    id: "arrow-db410c",
    display_name: "mine",
    devicetree_name: "qcom/apq8016-sbc",
    usb: ["18d1:d00d"],
    origin: "local",
    source: mine,
    indistinguishable_from: [],
  });
  assert.equal(
    errors,
    `fastboop: Cannot use device profile "${broken}", line 1, column 1, ` +
      'devicetree_name: missing key "devicetree_name"; and 3 more problems; skipped\n',
  );
  assert.equal(code, 0);
});

test("fastboop devpro show prints a file that is a profile", async () => {
  for (const id of ["arrow-db410c", "shift-axolotl"]) {
    const expected = BUILTIN_PROFILES.find((profile) => profile.id === id);
    const shown = await devpro("show", id);
    assert.match(shown.text, /^# built-in\n\nid: /);
    assert.match(shown.text, /vid: 0x18d1\n/);
    assert.deepEqual(parseProfile(shown.text, id), expected);
    const { text } = await devpro("show", "--json", id);
    assert.deepEqual(JSON.parse(text), {
      origin: "built-in",
      source: id,
      profile: expected,
    });
  }
});

test("fastboop devpro show tells the nearest id", async () => {
  const { code, text, errors } = await devpro("show", "oneplus-fajta");
  assert.match(
    errors,
    /^fastboop: Cannot find device profile "oneplus-fajta": .*; did you mean "oneplus-fajita"\?\n$/,
  );
  assert.equal(text, "");
  assert.equal(code, 1);
});

test("fastboop devpro check tells all problems with their place", async () => {
  const good = fileURLToPath(
    new URL("../../../devpros/google-sargo.yaml", import.meta.url),
  );
  const several = join(INVALID, "several-problems.yaml");
  const typo = join(INVALID, "comparator-typo.yaml");
  const { code, text, errors } = await devpro("check", good, several, typo);
  const lines = text.trimEnd().split("\n");
  assert.equal(lines.length, 6);
  assert.equal(lines[0], `${good}: ok, google-sargo`);
  assert.ok(
    lines[1]!.startsWith(
      `${several}:14:5: probe[0].equal: unknown key "equal"`,
    ),
  );
  assert.equal(
    lines[3],
    `${several}:19:18: boot.fastboot_boot.android_bootimg.page_size: found 100, ` +
      "expected one of 2048, 4096, 8192, 16384, 32768, 65536",
  );
  assert.match(
    lines[5]!,
    /comparator-typo\.yaml:11:5: .*; did you mean "equals"\?$/,
  );
  assert.equal(errors, "fastboop: Cannot use 2 of 3 device profiles\n");
  assert.equal(code, 1);
});

test("fastboop devpro check exits with 0 when all is well, with 1 without the file", async () => {
  const good = fileURLToPath(
    new URL("../../../devpros/shift-axolotl.yaml", import.meta.url),
  );
  const well = await devpro("check", good);
  assert.equal(well.text, `${good}: ok, shift-axolotl\n`);
  assert.equal(well.errors, "");
  assert.equal(well.code, 0);
  const absent = await devpro("check", "no-such-profile");
  assert.match(absent.errors, /^fastboop: Cannot open "no-such-profile"/);
  assert.equal(absent.code, 1);
});

test("fastboop devpro exits with 2 when it is called wrongly", async () => {
  const wrong: [args: string[], message: RegExp][] = [
    [
      [],
      /Missing what to do, expected list, show or check\nSee "fastboop help devpro"/,
    ],
    [["lst"], /Unknown command "lst"; did you mean list\?/],
    [["list", "x"], /Too many arguments for "list"/],
    [["show"], /Missing required argument "ID"/],
    [["check"], /Missing required argument "FILE"/],
    [["check", "--json", "x"], /Unknown option "--json"/],
  ];
  for (const [args, message] of wrong) {
    const { code, text, errors } = await devpro(...args);
    assert.match(errors, message);
    assert.equal(text, "");
    assert.equal(code, 2);
  }
});
