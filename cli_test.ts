import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import process from "node:process";
import test from "node:test";
import { readManifest } from "./scripts/fixtures/manifest.ts";
import { findFixture } from "./scripts/fixtures/all.ts";
import { smallImage } from "./tests/support/erofs_images.ts";
import { CLI, cliArgv, runCli } from "./tests/support/run_cli.ts";

const IMAGE = smallImage("plain").path;

/** Runs the program as a user does. */
const fastboop = (...args: string[]) => runCli(args);

const below = (folder: string) => {
  const prefix = folder === "/" ? "/" : `${folder}/`;
  return readManifest(IMAGE).map(({ path }) => path)
    .filter((path) => path.startsWith(prefix) && path !== "/")
    .map((path) => path.slice(prefix.length));
};

test("fastboop ls prints the names in a directory", async () => {
  const { code, text, errors } = await fastboop("ls", IMAGE);
  const names = below("/").filter((path) => !path.includes("/"));
  assert.deepEqual(text.trimEnd().split("\n").sort(), names.sort());
  assert.equal(errors, "");
  assert.equal(code, 0);
});

test("fastboop ls -R prints every path", async () => {
  const { code, text } = await fastboop("ls", "-R", IMAGE);
  // one of the names has a line feed in it
  const expected = readManifest(IMAGE).map(({ path }) => path).join("\n").split(
    "\n",
  );
  assert.equal(text.trimEnd().split("\n").length, expected.length);
  assert.equal(code, 0);
});

test("fastboop ls -R follows the link that it is given", async () => {
  const { code, text } = await fastboop("ls", "-R", IMAGE, "/links/to-folder");
  const lines = text.trimEnd().split("\n");
  assert.equal(lines[0], "/links/to-folder/");
  assert.ok(lines.includes("/links/to-folder/fifo"), text);
  assert.equal(code, 0);
});

test("fastboop ls -l prints modes, owners, sizes and targets", async () => {
  const { code, text } = await fastboop("ls", "-l", IMAGE, "/types");
  const lines = text.trimEnd().split("\n");
  assert.equal(lines.length, below("/types").length);
  assert.ok(lines.some((line) => /^-rwsr-xr-x .* setuid$/.test(line)), text);
  assert.ok(lines.some((line) => /^p.* fifo$/.test(line)), text);
  assert.equal(code, 0);
});

test("fastboop cat writes a file byte for byte", async () => {
  for (const { path, type, sha256 } of readManifest(IMAGE)) {
    if (
      type !== "file" || !/^\/[\x21-\x7e]+$/.test(path) ||
      path.split("/").length > 2
    ) continue;
    const { code, out, errors } = await fastboop("cat", IMAGE, path);
    assert.equal(createHash("sha256").update(out).digest("hex"), sha256, path);
    assert.equal(errors, "");
    assert.equal(code, 0);
    return;
  }
  assert.fail("the image has no such file");
});

test("fastboop inspect --json prints one object", async () => {
  const { code, text } = await fastboop("inspect", "--json", IMAGE);
  const facts = JSON.parse(text);
  assert.equal(facts.fileSystem, "erofs");
  assert.equal(facts.blockSize, 4096);
  assert.deepEqual(facts.kernels, []);
  assert.equal(facts.deviceTrees.count, 0);
  assert.equal(code, 0);
});

test("fastboop says what went wrong on stderr, and exits with 1", async () => {
  const failing: [args: string[], message: RegExp][] = [
    [
      ["ls", "no-such-image"],
      /^fastboop: Cannot open "no-such-image": there is no such file$/,
    ],
    [
      ["ls", "."],
      /^fastboop: Cannot open "\.": found a directory, expected a file$/,
    ],
    [
      ["inspect", CLI],
      /no known format in its first \d+ bytes, expected an image/,
    ],
    [
      ["cat", IMAGE, "/nope"],
      /^fastboop: Cannot resolve "\/nope" of ".+plain\.erofs": "nope" is not there$/,
    ],
    [["cat", IMAGE, "/types"], /found a directory, expected a file/],
    [["ls", "-l", IMAGE, "/nope"], /"nope" is not there/],
  ];
  for (const [args, message] of failing) {
    const { code, text, errors } = await fastboop(...args);
    assert.match(errors.trimEnd(), message);
    assert.equal(errors.trimEnd().split("\n").length, 1, errors);
    assert.equal(text, "");
    assert.equal(code, 1);
  }
});

test("fastboop exits with 2 when it is called wrongly", async () => {
  const wrong: [args: string[], message: RegExp][] = [
    [["list", IMAGE], /Unknown command "list".*\nSee "fastboop help"/],
    [["inspct", IMAGE], /Unknown command "inspct"; did you mean inspect\?/],
    [
      ["photograph", IMAGE],
      /Unknown command "photograph", expected boot, .* or version/,
    ],
    [["ls"], /Missing required argument "IMAGE"\nSee "fastboop help ls"/],
    [["cat", IMAGE], /Missing required argument "PATH"/],
    [["ls", ""], /Empty IMAGE/],
    [["ls", "--lonk", IMAGE], /Unknown option "--lonk"; did you mean --long\?/],
    [["inspect", IMAGE, "more"], /Too many arguments for "inspect"/],
    [["--quiet"], /Unknown option "--quiet"/],
    [["ls", "--long=yes", IMAGE], /Unknown option "--long=yes"/],
    [["help", "lss"], /Unknown command "lss"; did you mean ls\?/],
    [["devpro"], /Missing what to do, expected list, show or check/],
    [["completion", "csh"], /Allowed choices are bash, zsh, fish/],
    [["boot", IMAGE, "-v", "-q"], /Cannot be --verbose and --quiet/],
    [
      ["boot", IMAGE, "--wait", "soon"],
      /Cannot use --wait "soon", expected seconds/,
    ],
    [
      ["boot", IMAGE, "--usb", "lab"],
      /Cannot use --usb "lab", expected auto or usbip:/,
    ],
    [
      ["boot", IMAGE, "--explain"],
      /Missing -o FILE: --explain is about a file/,
    ],
    [
      ["try", IMAGE, "--until="],
      /Option "--until" needs a value\nSee "fastboop help try"/,
    ],
  ];
  for (const [args, message] of wrong) {
    const { code, text, errors } = await fastboop(...args);
    assert.match(errors, message);
    assert.equal(text, "");
    assert.equal(code, 2);
  }
});

test("fastboop prints help and version", async () => {
  const overview = await fastboop();
  assert.match(overview.text, /^Usage: fastboop COMMAND/);
  assert.equal(overview.code, 0);
  assert.equal((await fastboop("--help")).text, overview.text);
  for (
    const command of [
      "boot",
      "try",
      "ls",
      "devpro",
    ]
  ) {
    const { text } = await fastboop("help", command);
    assert.match(text, new RegExp(`^Usage: fastboop ${command}`));
    assert.equal((await fastboop(command, "--help")).text, text);
  }
  for (const asked of ["--version", "-V", "version"]) {
    const { text, code } = await fastboop(asked);
    assert.match(text, /^fastboop \d+\.\d+\.\d+\n$/);
    assert.equal(code, 0);
  }
});

const KERNEL_IMAGE = findFixture("debian-arm64.erofs-lz4hc");
const large = KERNEL_IMAGE === undefined
  ? { skip: "missing: run deno task fixtures debian-arm64.erofs-lz4hc" }
  : {};

/** Starts printing a file that is larger than any pipe. */
function startLargeCat() {
  const [program, ...before] = cliArgv();
  return spawn(program!, [...before, "cat", KERNEL_IMAGE!, "/vmlinuz"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

for (
  const [signals, exitCode] of [
    [["SIGINT"], 130],
    [["SIGTERM"], 143],
    // by the kernel and by the shell, when their terminal is closed
    [["SIGHUP", "SIGHUP"], 129],
  ] as const
) {
  test(`fastboop exits with ${exitCode} at ${signals[0]}`, large, async () => {
    const child = startLargeCat();
    // Deno reports such an exit code as the signal that shells mean by it
    const ended = new Promise((resolve) =>
      child.once(
        "close",
        (code, signal) => resolve(code ?? 128 + constants.signals[signal!]),
      )
    );
    await new Promise((resolve) => child.stdout.once("readable", resolve));
    for (const signal of signals) process.kill(child.pid!, signal);
    // what waits in the pipe is read, or the program could not end
    let size = 0;
    child.stdout.on("data", (bytes) => size += bytes.length);
    assert.equal(await ended, exitCode);
    assert.equal(size % (1 << 20), 0, "cut within what was written at once");
  });
}

test("fastboop says that its output cannot be written", {
  // full disks it does tell
  skip: "Deno" in globalThis ? "Deno says nothing of files for reading" : false,
}, async () => {
  const unwritable = openSync(CLI, "r");
  const [program, ...before] = cliArgv();
  const child = spawn(program!, [...before, "help"], {
    stdio: ["ignore", unwritable, "pipe"],
  });
  closeSync(unwritable);
  let errors = "";
  child.stderr!.on("data", (bytes) => errors += bytes);
  assert.equal(await new Promise((resolve) => child.once("close", resolve)), 1);
  assert.match(errors, /^fastboop: Cannot write to standard output: .+\n$/);
});

test(
  "fastboop ends quietly when its reader has seen enough",
  large,
  async () => {
    const child = startLargeCat();
    let errors = "";
    child.stderr.on("data", (bytes) => errors += bytes);
    const ended = new Promise((resolve) => child.once("close", resolve));
    await new Promise((resolve) => child.stdout.once("readable", resolve));
    child.stdout.destroy();
    assert.equal(await ended, 0);
    assert.equal(errors, "");
  },
);
