import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { missingPhone } from "../support/missing_phone.ts";
import { cliArgv, runCli } from "../support/run_cli.ts";

/** Options of a test that boots an image, which is skipped where something is missing. */
function needs(image: string, machine?: "x86_64") {
  const path = findFixture(image);
  const missing = [
    ...missingPhone(machine),
    ...(path === undefined ? [`run deno task fixtures ${image}`] : []),
  ];
  const options = missing.length === 0
    ? {}
    : { skip: `missing: ${missing.join(", ")}` };
  return { path: path!, options };
}

/** Virtual phones on this machine whose memory is of this size. */
function phonesOf(mebibytes: number): string[] {
  return readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return /qemu-system/.test(argv[0]!) &&
          argv[argv.indexOf("-m") + 1] === String(mebibytes);
      } catch {
        return false; // it has ended
      }
    });
}

const guest = needs("guest-arm64.erofs");

test(
  "fastboop try ends with 0 when the console shows the text",
  guest.options,
  async () => {
    const { code, text, errors } = await runCli(
      ["try", guest.path, "--until", "guest: ready", "--console"],
    );
    assert.equal(code, 0, errors);
    assert.equal(text, "");
    for (
      const line of [
        /^ +[0-9.]+s {2}It is Virtual phone \(arm64\)/m,
        /^ +[0-9.]+s {2}Sent [0-9.]+ MiB, /m,
        /^console\| .*stage0: handing over/m,
        /^ +[0-9.]+s {2}Took .*: making the boot image .*, kernel .*, stage0 /m,
        /^fastboop: The console shows "guest: ready" after [0-9.]+ s$/m,
      ]
    ) assert.match(errors, line);
  },
);

test(
  "fastboop try ends with 1 and the reason when time is up, and leaves no machine",
  guest.options,
  async () => {
    const memory = 387;
    const { code, text, errors } = await runCli([
      ...["try", guest.path, "--until", "never (said)", "--timeout", "6"],
      ...["--memory", String(memory), "--json"],
    ]);
    assert.equal(code, 1, errors);
    assert.match(
      errors,
      /^fastboop: Cannot see "never \(said\)" on the phone's console in 6\.0 s; its last lines:\n/,
    );
    const types = text.trimEnd().split("\n").map((line) =>
      JSON.parse(line).type
    );
    assert.ok(types.includes("booting"), types.join());
    assert.deepEqual(phonesOf(memory), []);
  },
);

const guestX86 = needs("guest-amd64.erofs", "x86_64");

test(
  "fastboop try takes the phone that the image is for",
  guestX86.options,
  async () => {
    const { code, errors } = await runCli(
      ["try", guestX86.path, "--until", "guest: ready"],
    );
    assert.equal(code, 0, errors);
    assert.match(errors, /It is Virtual phone \(x86_64\)/);
  },
);

const debian = needs("debian-arm64.erofs-lz4hc");

test(
  "fastboop try boots Debian until it asks for a login",
  debian.options,
  async () => {
    const { code, text, errors } = await runCli(["try", debian.path, "--json"]);
    assert.equal(code, 0, errors);
    assert.equal(errors, "");
    const events = text.trimEnd().split("\n").map((line) => JSON.parse(line));
    const types = events.map(({ type }) => type);
    const steps = [
      ...["found", "identified", "built", "sending", "booting", "left"],
      ...["waiting-for-gadget", "connected", "handed-over", "finished"],
    ];
    assert.deepEqual(
      [...new Set(types)].filter((type) => steps.includes(type)),
      steps,
    );
    assert.ok(!types.includes("request-failed"));
    const serving = events.filter(({ type }) => type === "serving").at(-1);
    assert.equal(serving.statistics.failed, 0);
  },
);

test(
  "fastboop try leaves at the second interrupt, with its machine",
  guest.options,
  async () => {
    const memory = 391;
    const [program, ...before] = cliArgv();
    const child = spawn(program!, [
      ...[...before, "try", guest.path, "--until", "never"],
      ...["--memory", String(memory)],
    ], { stdio: ["ignore", "ignore", "pipe"] });
    const ended = new Promise<unknown>((resolve) =>
      // Deno reports the exit code 130 as the signal that shells mean by it
      child.once(
        "close",
        (code, signal) => resolve(signal === "SIGINT" ? 130 : code),
      )
    );
    try {
      await waitFor(() => phonesOf(memory).length > 0);
      child.kill("SIGINT");
      child.kill("SIGINT");
      assert.equal(await ended, 130);
      await waitFor(() => phonesOf(memory).length === 0);
    } finally {
      child.kill("SIGKILL");
    }
  },
);

async function waitFor(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail("it did not come in a minute");
}
