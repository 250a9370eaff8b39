import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  buildStage0Programs,
  missingStage0Tools,
} from "../../scripts/lib/stage0_programs.ts";
import { SEEDS } from "../fuzz/stage0_seeds.ts";

/** Boots that end by a jump leave memory behind, as PID 1 does. */
const ENVIRONMENT = { ASAN_OPTIONS: "detect_leaks=0" };
const FUZZ_RUNS = 20_000;

const missing = missingStage0Tools();
const options = missing.length === 0
  ? {}
  : { skip: `missing: ${missing.join(", ")}` };
const folder = mkdtempSync(join(tmpdir(), "fastboop-stage0-"));
after(() => rmSync(folder, { recursive: true }));

function run(program: string, argv: string[] = [], env = {}) {
  const { status, signal, stdout, stderr } = spawnSync(program, argv, {
    encoding: "utf8",
    env: { ...env },
    maxBuffer: 64 << 20,
    timeout: 10 * 60_000,
  });
  return { status, end: signal ?? `exit code ${status}`, stdout, stderr };
}

// Which tests there are is known when they have run: each becomes one here.
if (missing.length === 0) {
  const programs = await buildStage0Programs(
    /^pid1_.*_test\.c$/,
    folder,
    "test",
  )
    .catch((error: Error) => error);
  test("the tests of the first process compile", () => {
    if (programs instanceof Error) throw programs;
    assert.ok(programs.size >= 4, `${programs.size} programs`);
  });
  if (!(programs instanceof Error)) {
    for (const [name, program] of programs) report(name, program);
  }
}

function report(name: string, program: string): void {
  const { status, end, stdout, stderr } = run(program, [], ENVIRONMENT);
  const results = [...stdout.matchAll(/^((?:#.*\n)*)(ok|not ok) - (.*)$/gm)];
  for (const [, notes, result, title] of results) {
    test(`${name}: ${title}`, () => {
      assert.equal(result, "ok", `${notes}${stderr}`);
    });
  }
  test(`${name}: all of its tests ran`, () => {
    assert.ok(results.length > 0, `${end}: ${stdout}${stderr}`);
    const bad = results.some(([, , result]) => result !== "ok");
    assert.equal(status, bad ? 1 : 0, `${end}: ${stdout}${stderr}`);
  });
}

test(
  "parsers take any input: settings, lists of modules, texts",
  options,
  async (t) => {
    const programs = await buildStage0Programs(
      /^fuzz_(settings|modules|text)\.c$/,
      folder,
      "fuzz",
    );
    assert.equal(programs.size, 3);
    for (const [name, program] of programs) {
      await t.test(name, () => {
        const corpus = join(folder, `${name}.corpus`);
        mkdirSync(corpus);
        for (const [at, seed] of SEEDS[name]!.entries()) {
          writeFileSync(join(corpus, String(at)), seed);
        }
        const { status, end, stderr } = run(program, [
          ...[`-runs=${FUZZ_RUNS}`, "-seed=1", "-max_len=512"],
          ...[`-artifact_prefix=${folder}/`, corpus],
        ]);
        assert.equal(status, 0, `${end}: ${stderr}`);
        const [, runs] = /Done (\d+) runs/.exec(stderr) ?? [];
        assert.ok(Number(runs) >= FUZZ_RUNS, stderr);
      });
    }
  },
);
