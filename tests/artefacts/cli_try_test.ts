import assert from "node:assert/strict";
import test from "node:test";
import { CliProcess } from "../support/cli_process.ts";
import { machinesOf, untilMachines } from "../support/machines.ts";
import { phoneImage } from "../support/missing_phone.ts";
import { runCli } from "../support/run_cli.ts";

const guest = phoneImage("guest-arm64.erofs");

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
    assert.deepEqual(machinesOf(memory), []);
  },
);

const guestX86 = phoneImage("guest-amd64.erofs", "x86_64");

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

const debian = phoneImage("debian-arm64.erofs-lz4hc");

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
  "fastboop try says which program is missing",
  guest.options,
  async () => {
    const env = { PATH: "/nonexistent" };
    const { code, errors } = await runCli(["try", guest.path], env);
    assert.equal(code, 1);
    assert.equal(
      errors,
      'fastboop: Cannot start the virtual phone: "qemu-system-aarch64" is not installed; on Debian install qemu-system-arm\n',
    );
    const phone = new CliProcess(["phone", "x86_64"], (argv) => [
      ...["env", "PATH=/nonexistent"],
      ...argv,
    ]);
    try {
      await phone.said(/"qemu-system-x86_64" is not installed/);
      await phone.until("its addresses", () => phone.text.includes("tcp:"));
    } finally {
      await phone.stop();
    }
  },
);

test(
  "fastboop try ends when its machine cannot be started",
  guest.options,
  async () => {
    const env = { TMPDIR: "/nonexistent" };
    const { code, errors } = await runCli(["try", guest.path], env);
    assert.equal(code, 1);
    assert.match(
      errors,
      /^fastboop: Cannot start the virtual phone: no folder can be made in "\/nonexistent"/m,
    );
  },
);

for (const signals of [["SIGINT", "SIGINT"], ["SIGKILL"]] as const) {
  test(
    `fastboop try takes its machine along when it ends by ${
      signals.join(" and ")
    }`,
    guest.options,
    async () => {
      const memory = 390 + signals.length;
      const attempt = new CliProcess([
        ...["try", guest.path, "--until", "never"],
        ...["--memory", String(memory)],
      ]);
      try {
        await untilMachines(memory, true);
        for (const signal of signals) attempt.signal(signal);
        const code = signals[0] === "SIGINT" ? 130 : 137;
        assert.equal(await attempt.ended, code);
        await untilMachines(memory, false);
      } finally {
        await attempt.stop();
      }
    },
  );
}
