import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import process from "node:process";
import test from "node:test";
import { smallImage } from "../../../tests/support/erofs_images.ts";
import { cliArgv, runCli } from "../../../tests/support/run_cli.ts";
import { type PhoneOptions, startPhone } from "../node/virtual_phone.ts";

const IMAGE = smallImage("plain").path;

/** Runs the program with a virtual phone in its bootloader. */
async function withPhone(
  args: readonly string[],
  options: PhoneOptions = {},
) {
  const phone = await startPhone(options);
  try {
    return await runCli([...args, "--usb", phone.usbIpUrl]);
  } finally {
    await phone.stop();
  }
}

test("fastboop detect prints the phone and who it is", async () => {
  const text = await withPhone(["detect"], { serialNumber: "abc" });
  assert.equal(
    text.text,
    '18d1:d00d profile=virtual-phone-arm64 name="Virtual phone (arm64)" serial="abc" port=1-1\n',
  );
  assert.equal(text.errors, "");
  assert.equal(text.code, 0);
  const json = await withPhone(["detect", "--json"], { model: "x86_64" });
  assert.deepEqual(JSON.parse(json.text), {
    vendorId: 0x18d1,
    productId: 0xd00d,
    serialNumber: "virtual",
    port: "1-1",
    profile: "virtual-phone-x86_64",
    name: "Virtual phone (x86_64)",
  });
});

test("fastboop detect fails when no phone fits, and says why", async () => {
  const { code, text, errors } = await withPhone(
    ["detect", "--device-profile", "virtual-phone-x86_64"],
  );
  assert.equal(code, 1);
  assert.equal(text, "");
  assert.match(
    errors,
    /it fits no profile \(virtual-phone-x86_64: "product" is "virtual-phone-arm64"/,
  );
  assert.match(errors, /Cannot find phone of profile "virtual-phone-x86_64"/);
});

test("fastboop detect tells of a phone that does not answer", async () => {
  const { code, errors } = await withPhone(["detect"], {
    faults: [{ at: "getvar", instead: "what" }],
  });
  assert.equal(code, 1, errors);
  assert.match(errors, /^fastboop: .*"what"/m);
});

test("fastboop boot says what is wrong with an image before it touches the phone", async () => {
  const commands: string[] = [];
  const { code, text, errors } = await withPhone(
    ["boot", IMAGE, "--device-profile", "virtual-phone-arm64"],
    {
      onEvent: (event) => {
        if (event.type === "command") commands.push(event.text);
      },
    },
  );
  assert.equal(code, 1);
  assert.equal(text, "");
  assert.match(errors, /Cannot find .*kernel/);
  assert.ok(
    commands.every((command) => command.startsWith("getvar:")),
    commands.join(),
  );
});

test("fastboop boot waits for a phone as long as it is told", async () => {
  const { code, errors } = await withPhone(
    ["boot", IMAGE, "--device-serial", "other", "--wait", "0.5"],
  );
  assert.equal(code, 1);
  assert.match(errors, /Waiting for the phone "other"/);
  assert.match(errors, /Cannot find phone "other" in its bootloader/);
});

test("fastboop boot --json prints events, and nothing else on either side", async () => {
  const { code, text, errors } = await withPhone(
    ["boot", IMAGE, "--json", "--device-profile", "virtual-phone-arm64"],
  );
  assert.equal(code, 1);
  const events = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(events.at(-1).type, "done");
  assert.equal(events.at(-1).ok, false);
  assert.ok(events.some(({ type }) => type === "failed"));
  assert.equal(errors, "");
});

test("fastboop try takes virtual phones only", async () => {
  const { code, errors } = await runCli(
    ["try", IMAGE, "--device-profile", "oneplus-fajita"],
  );
  assert.equal(code, 2);
  assert.match(
    errors,
    /Cannot try "oneplus-fajita", expected a virtual phone: virtual-phone-arm64 or /,
  );
});

test("fastboop try fails when the image cannot be booted", async () => {
  const { code, text, errors } = await runCli(["try", IMAGE]);
  assert.equal(code, 1);
  assert.equal(text, "");
  assert.match(errors, /Cannot find .*kernel/);
});

test("fastboop udev prints a rule for every phone", async () => {
  const { code, text, errors } = await runCli(["udev"]);
  assert.equal(code, 0);
  assert.equal(errors, "");
  assert.match(
    text,
    /# .*OnePlus 6T.*\nSUBSYSTEM=="usb", .*ATTR\{idVendor\}=="18d1"/,
  );
});

/** Starts the program, and gives what it says on standard error as it comes. */
function start(args: readonly string[], by: readonly string[] = []) {
  const [program, ...before] = [...by, ...cliArgv()];
  const child = spawn(program!, [...before, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  const said = (pattern: RegExp) =>
    new Promise<void>((resolve) => {
      child.stderr.on("data", () => {
        if (pattern.test(errors)) resolve();
      });
    });
  child.stderr.on("data", (bytes) => errors += bytes);
  const ended = new Promise<number | null>((resolve) =>
    // Deno reports such an exit code as the signal that shells mean by it
    child.once(
      "close",
      (code, signal) => resolve(code ?? 128 + constants.signals[signal!]),
    )
  );
  return { child, said, ended, errors: () => errors };
}

test("fastboop boot ends with 130 when it is interrupted, and leaves the phone", async () => {
  const phone = await startPhone();
  const boot = start(
    ["boot", IMAGE, "--device-serial", "other", "--usb", phone.usbIpUrl],
  );
  try {
    await boot.said(/Waiting for the phone/);
    boot.child.kill("SIGINT");
    assert.equal(await boot.ended, 130);
    assert.match(boot.errors(), /Interrupted: finishing .*Ctrl-C again leaves/);
    const { code } = await runCli(["detect", "--usb", phone.usbIpUrl]);
    assert.equal(code, 0);
  } finally {
    boot.child.kill("SIGKILL");
    await phone.stop();
  }
});

test("fastboop boot ends with 129 when its terminal is closed, though it cannot say so", async () => {
  const phone = await startPhone();
  const boot = start(
    ["boot", IMAGE, "--device-serial", "other", "--usb", phone.usbIpUrl],
  );
  try {
    await boot.said(/Waiting for the phone/);
    boot.child.stderr.destroy();
    // the method of the child would forget the exit code on Deno
    process.kill(boot.child.pid!, "SIGHUP");
    assert.equal(await boot.ended, 129);
  } finally {
    boot.child.kill("SIGKILL");
    await phone.stop();
  }
});

const outliving = "Bun" in globalThis && process.platform === "linux"
  ? {}
  : { skip: "the executable on Linux alone is told of nohup" };

test("fastboop boot outlives its terminal by nohup", outliving, async () => {
  const phone = await startPhone();
  const boot = start(
    ["boot", IMAGE, "--device-serial", "other", "--usb", phone.usbIpUrl],
    ["nohup"],
  );
  try {
    await boot.said(/Waiting for the phone/);
    const status = readFileSync(`/proc/${boot.child.pid}/status`, "latin1");
    const [, ignored] = /^SigIgn:\s*([0-9a-f]+)$/m.exec(status) ?? [];
    assert.equal(BigInt(`0x${ignored}`) & 1n, 1n, "SIGHUP is not ignored");
  } finally {
    boot.child.kill("SIGKILL");
    await phone.stop();
  }
});
