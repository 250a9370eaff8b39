import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { describeGrammar } from "../../src/adapters/cli/args.ts";
import {
  completionScript,
  type Shell,
} from "../../src/adapters/cli/completion.ts";

const script = (shell: Shell) => completionScript(shell, describeGrammar());

/** Options of a test that needs a shell. */
function needs(shell: Shell) {
  const { error } = spawnSync(shell, ["-c", "true"]);
  return error === undefined ? {} : { skip: `missing: ${shell}` };
}

function run(shell: Shell, code: string): string {
  const { status, stdout, stderr } = spawnSync(shell, ["-c", code], {
    encoding: "utf8",
  });
  assert.equal(stderr, "");
  assert.equal(status, 0);
  return stdout;
}

test("bash completes commands, options and words", needs("bash"), () => {
  const complete = (...words: string[]) =>
    run(
      "bash",
      `${script("bash")}
COMP_WORDS=(fastboop ${words.map((word) => `'${word}'`).join(" ")})
COMP_CWORD=${words.length}
_fastboop
echo "\${COMPREPLY[@]}"`,
    ).trim().split(" ");
  assert.deepEqual(complete("de"), ["detect", "devpro"]);
  assert.deepEqual(complete("boot", "--device"), [
    "--device-profile",
    "--device-serial",
  ]);
  assert.deepEqual(complete("boot", "x.img", "--dtb"), ["--dtb", "--dtbo"]);
  assert.deepEqual(complete("devpro", "s"), ["show"]);
  assert.deepEqual(complete("devpro", "show", "--j"), ["--json"]);
  assert.deepEqual(complete("completion", "f"), ["fish"]);
  // files: bash's own
  assert.deepEqual(complete("cat", "x"), [""]);
});

test("zsh takes the script", needs("zsh"), () => {
  run("zsh", `compdef() { :; }\n${script("zsh")}`);
  const listed = (command: string) =>
    run(
      "zsh",
      `compdef() { :; }
_describe() { print -rl -- \${(P)2%%:*}; }
_files() { :; }
${script("zsh")}
words=(fastboop ${command} ''); CURRENT=3
_fastboop`,
    ).trim().split("\n");
  assert.deepEqual(listed("devpro").slice(0, 3), ["list", "show", "check"]);
  assert.ok(listed("cache").includes("path"));
});

test("fish completes commands and options", needs("fish"), () => {
  const complete = (line: string) =>
    run("fish", `${script("fish")}\ncomplete -C '${line}'`).trim()
      .split("\n").map((found) => found.split("\t")[0]);
  assert.deepEqual(complete("fastboop de").sort(), ["detect", "devpro"]);
  assert.deepEqual(complete("fastboop devpro sh"), ["show"]);
  assert.deepEqual(complete("fastboop cache p").sort(), ["path", "prune"]);
  // one word is enough: what follows would be a file
  assert.deepEqual(complete("fastboop cache list prun"), [""]);
  assert.deepEqual(complete("fastboop completion fish zs"), [""]);
  assert.deepEqual(complete("fastboop boot --device-s"), ["--device-serial"]);
});
