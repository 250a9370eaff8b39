import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { missingStage0Tools } from "../../scripts/lib/stage0_programs.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FUZZ_RUNS = 50_000;
const FLAGS = [
  ...["-std=c11", "-D_GNU_SOURCE", "-g", "-O1"],
  ...["-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Werror"],
  ...["-fno-sanitize-recover=all", "-Istage0/src", "-Istage0/tests"],
];
/** Of stage0/src/gadget: what asks the kernel for nothing, or for what tests put in its place. */
const PURE = ["protocol", "descriptors", "request", "link", "ublk", "log_ring"];
const FAKED = ["plane", "device", "device_queues", "exports"];
const SHARED = ["text", "errno", "log", "sys_linux"];

const missing = missingStage0Tools();
const options = missing.length === 0
  ? {}
  : { skip: `missing: ${missing.join(", ")}` };
const folder = mkdtempSync(join(tmpdir(), "fastboop-gadget-"));
after(() => rmSync(folder, { recursive: true }));

const gadget = (names: readonly string[]) =>
  names.map((name) => `stage0/src/gadget/${name}.c`);
const shared = SHARED.map((name) => `stage0/src/${name}.c`);

function build(
  name: string,
  sanitizers: string,
  sources: string[],
  flags: string[] = [],
): string {
  const program = join(folder, name);
  execFileSync("clang-19", [
    ...[...FLAGS, `-fsanitize=${sanitizers}`, "-o", program, ...sources],
    ...["-pthread", ...flags],
  ], { cwd: ROOT, stdio: ["ignore", "inherit", "pipe"] });
  return program;
}

function run(program: string, argv: string[] = []) {
  const { status, signal, stdout, stderr } = spawnSync(program, argv, {
    encoding: "utf8",
    maxBuffer: 64 << 20,
    timeout: 5 * 60_000,
  });
  return { status, end: signal ?? `exit code ${status}`, stdout, stderr };
}

test("the gadget, part by part", options, async (t) => {
  const tests = ["test", "protocol_test", "request_test", "ublk_test"];
  const fakes = ["fake_aio", "plane_test", "device_test"];
  const program = build("unit", "address,undefined", [
    ...[...tests, ...fakes].map((name) => `stage0/tests/gadget_${name}.c`),
    ...gadget([...PURE, ...FAKED]),
    ...shared,
  ]);
  await judge(t, program, 40);
});

test("the gadget's supervisor", options, async (t) => {
  const program = build("supervisor", "address,undefined", [
    ...["test", "supervisor_test"].map((name) =>
      `stage0/tests/gadget_${name}.c`
    ),
    ...gadget(["gadget", "descriptors"]),
    ...shared,
  ], ["-Wl,--wrap=sys_open"]);
  await judge(t, program, 2);
});

/** Runs tests that say of each how it went; there are more than `least`. */
async function judge(t: TestContext, program: string, least: number) {
  const { end, stdout, stderr } = run(program);
  const results = [...stdout.matchAll(/^(ok|not ok) (.*)$/gm)];
  assert.ok(results.length > least, `${end}: ${stdout}${stderr}`);
  for (const [, result, name] of results) {
    await t.test(name!, () => assert.equal(result, "ok", stderr));
  }
}

/** A good input of each kind, from which libFuzzer begins. */
const CONFIG = "00000100000000004433221100020000000000400000000000000000" +
  "00000000";
const SEEDS: Record<string, (string | Uint8Array)[]> = {
  config: [fromHex(CONFIG)],
  ublk: [fromHex("000000000800000050".padEnd(48, "0") + "03ff")],
  // a read that is added, sent, answered
  response: [
    fromHex(
      "00000304".padEnd(58, "0") + "08".padEnd(58, "0") +
        "10".padEnd(50, "0") + "01000000",
    ),
  ],
  kmsg: [
    "14,339,5140900,-;stage0: hello\n",
    "3,1,12000001,-,caller=T1;broken\n SUBSYSTEM=usb\n",
  ],
};

test("the gadget takes any input", options, async (t) => {
  for (const [name, seeds] of Object.entries(SEEDS)) {
    await t.test(name, () => {
      const program = build(name, "fuzzer,address,undefined", [
        `stage0/tests/fuzz_gadget_${name}.c`,
        ...gadget(PURE),
        ...["text", "errno"].map((name) => `stage0/src/${name}.c`),
      ]);
      const corpus = join(folder, `${name}.corpus`);
      mkdirSync(corpus);
      for (const [at, seed] of seeds.entries()) {
        writeFileSync(join(corpus, String(at)), seed);
      }
      const { status, end, stderr } = run(program, [
        ...[`-runs=${FUZZ_RUNS}`, "-seed=1", "-max_len=800"],
        ...[`-artifact_prefix=${folder}/`, corpus],
      ]);
      assert.equal(status, 0, `${end}: ${stderr}`);
      const [, runs] = /Done (\d+) runs/.exec(stderr) ?? [];
      assert.ok(Number(runs) >= FUZZ_RUNS, stderr);
    });
  }
});

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g)!, (byte) => parseInt(byte, 16));
}
