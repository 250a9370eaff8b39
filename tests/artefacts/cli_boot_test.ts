/**
 * `fastboop boot` as users run it, with phones that get as far as their bootloader.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { listenTcp } from "../../src/adapters/node/tcp.ts";
import { parseFault } from "../../src/phone/fault_text.ts";
import { bootloaderModel } from "../support/boot_world.ts";
import { CliProcess } from "../support/cli_process.ts";
import { runCli } from "../support/run_cli.ts";
import { UsbIpServer } from "../support/usb_ip_bus.ts";
import { WatchedPhone, withFastboot } from "../support/virtual_phone.ts";

const IMAGE = findFixture("guest-arm64.erofs");
const options = IMAGE === undefined
  ? { skip: "missing: run deno task fixtures guest-arm64.erofs" }
  : {};
const { error } = spawnSync("script", ["--version"]);
const terminal = error === undefined
  ? options
  : { skip: "missing: script, of bsdutils" };
/** Of a program that has nothing to wait for any more, on a machine that has a lot to do. */
const AT_ONCE_MS = 4000;

/** The program with a terminal of its own, on which what is typed is read. */
function onTerminal(args: readonly string[]): CliProcess {
  const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;
  return new CliProcess(args, (argv) => [
    ...["script", "--quiet", "--return", "--command"],
    ...[`exec ${argv.map(quote).join(" ")}`, "/dev/null"],
  ]);
}

/** Bootloaders on one bus; `told` has the commands of each. */
async function withBootloaders(
  phones: readonly Readonly<Record<string, string>>[],
  work: (url: string, told: string[][]) => Promise<void>,
): Promise<void> {
  const listener = await listenTcp();
  const server = new UsbIpServer();
  const told = phones.map((variables, i) => {
    const commands: string[] = [];
    const faults = [parseFault("download:fail=enough")];
    const model = bootloaderModel(
      { serialNumber: variables["serialno"], variables, faults },
      {
        onCommand: (command) => commands.push(command),
        onUnplug: () => {},
        onLeave: () => {},
      },
    );
    server.plug(`1-${i + 1}`, model);
    return commands;
  });
  const serving = (async () => {
    for await (const stream of listener.connections) server.serve(stream);
  })();
  try {
    await work(`usbip://127.0.0.1:${listener.port}`, told);
    assert.deepEqual(server.used, [], "a device was left open");
  } finally {
    listener.close();
    await serving;
  }
}

const VIRTUAL = [
  { serialno: "0123", product: "virtual-phone-arm64" },
  { serialno: "4567", product: "virtual-phone-arm64" },
];
/** Fits two profiles. */
const ONEPLUS = [{
  ...{ serialno: "89ab", product: "sdm845" },
  "partition-type:op2": "raw",
}];

for (
  const [fault, code, words] of [
    ["download:fail*1=no memory", "fastboot.failed", '"no memory"'],
    ["data:unplug*1=100000", "fastboot.lost", "broke"],
    ["boot:fail*1=locked", "fastboot.failed", '"locked"'],
    ["usb:descriptors=length-0", "usb.open-failed", "byte 9"],
  ] as const
) {
  test(
    `fastboop boot ends with 1 and ${code} for ${fault}`,
    options,
    async () => {
      const phone = await WatchedPhone.start({ faults: [parseFault(fault)] });
      try {
        const boot = ["boot", IMAGE!, "--usb", phone.running.usbIpUrl];
        const { code: exit, text, errors } = await runCli([...boot, "--json"]);
        assert.equal(exit, 1, errors);
        const events = text.trimEnd().split("\n").map((line) =>
          JSON.parse(line)
        );
        const failed = events.filter(({ type }) => type === "failed");
        assert.deepEqual(failed.map((one) => one.code), [code]);
        assert.ok(failed[0].message.includes(words), failed[0].message);
        const last = events.at(-1);
        assert.deepEqual([last.type, last.ok], ["done", false]);
      } finally {
        await phone.stop();
      }
    },
  );
}

const PC_IMAGE = findFixture("guest-amd64.erofs");
const pcOptions = PC_IMAGE === undefined
  ? { skip: "missing: run deno task fixtures guest-amd64.erofs" }
  : {};

test("fastboop boot says that an image is for PCs", pcOptions, async () => {
  for (const profile of ["oneplus-fajita", "virtual-phone-arm64"]) {
    const { code, errors } = await runCli(
      ["boot", PC_IMAGE!, "--device-profile", profile, "-o", "/dev/null"],
    );
    assert.equal(code, 1);
    assert.match(
      errors,
      /^fastboop: Cannot boot ".*guest-amd64\.erofs" on .*: its kernel "\/.*" is for x86_64, expected aarch64; use an image for arm64 \(aarch64\)\n$/,
    );
  }
});

test("fastboop boot tells once that there is no server", options, async () => {
  const free = await listenTcp();
  free.close();
  const url = `usbip://127.0.0.1:${free.port}`;
  const { code, errors } = await runCli(["boot", IMAGE!, "--usb", url]);
  assert.equal(code, 1);
  assert.equal(errors.split("Cannot connect to").length, 2, errors);
});

test(
  "fastboop boot leaves at once at the second interrupt, and no device half-open",
  options,
  async () => {
    const faults = [parseFault("getvar:product:silent*1")];
    const phone = await WatchedPhone.start({ faults });
    const boot = new CliProcess([
      "boot",
      IMAGE!,
      "--usb",
      phone.running.usbIpUrl,
    ]);
    try {
      await phone.until("command");
      boot.signal("SIGINT");
      // it gives the bootloader some seconds to say something
      await boot.said(/Interrupted: .*Ctrl-C again leaves at once/);
      const began = performance.now();
      boot.signal("SIGINT");
      assert.equal(await boot.ended, 130);
      assert.ok(performance.now() - began < AT_ONCE_MS);
      await phone.until("released");
      const product = await withFastboot(
        phone.bus(),
        (client) => client.getvar("product"),
      );
      assert.equal(product, "virtual-phone-arm64");
    } finally {
      await boot.stop();
      await phone.stop();
    }
  },
);

test(
  "fastboop boot asks on a terminal which of several phones, until one is chosen",
  terminal,
  async () => {
    await withBootloaders(VIRTUAL, async (url, told) => {
      const boot = onTerminal(["boot", IMAGE!, "--usb", url]);
      try {
        await boot.said(/Which phone is to be booted\?/);
        await boot.said(
          / 1 {2}18d1:d00d "0123" at 1-1 {2}Virtual phone \(arm64\)/,
        );
        await boot.said(
          / 2 {2}18d1:d00d "4567" at 1-2 {2}Virtual phone \(arm64\)/,
        );
        boot.type("3\n");
        await boot.said(/Number, or Enter[^]*Number, or Enter/);
        boot.type("2\n");
        assert.equal(await boot.ended, 1, boot.text);
        await boot.said(/FAIL "enough"/);
        const downloads = told.map((commands) =>
          commands.filter((command) => command.startsWith("download")).length
        );
        assert.deepEqual(downloads, [0, 1]);
      } finally {
        await boot.stop();
      }
    });
  },
);

test(
  "fastboop boot asks on a terminal which profile, and takes Enter for none",
  terminal,
  async () => {
    await withBootloaders(ONEPLUS, async (url) => {
      for (
        const [answer, pattern] of [
          ["2", /It is OnePlus 6T? \(oneplus-\w+\)/],
          ["", /it fits oneplus-\w+, oneplus-\w+, expected one profile/],
        ] as const
      ) {
        const boot = onTerminal(["boot", IMAGE!, "--usb", url]);
        try {
          await boot.said(/Which phone is 18d1:d00d "89ab" at 1-1\?/);
          boot.type(`${answer}\n`);
          assert.equal(await boot.ended, 1, boot.text);
          await boot.said(pattern);
        } finally {
          await boot.stop();
        }
      }
    });
  },
);

test("fastboop boot is left by Ctrl-C while it asks", terminal, async () => {
  await withBootloaders(VIRTUAL, async (url) => {
    const boot = onTerminal(["boot", IMAGE!, "--usb", url]);
    try {
      await boot.said(/Number, or Enter/);
      boot.type("\x03");
      assert.equal(await boot.ended, 130, boot.text);
    } finally {
      await boot.stop();
    }
  });
});

test(
  "fastboop boot asks nobody without a terminal, and says how to choose",
  options,
  async () => {
    for (
      const [phones, pattern] of [
        [VIRTUAL, /"0123" at 1-1 .*, .*"4567" at 1-2 .*[^]*--device-serial/],
        [ONEPLUS, /it fits oneplus-.*[^]*--device-profile/],
      ] as const
    ) {
      await withBootloaders(phones, async (url) => {
        const { code, errors } = await runCli(["boot", IMAGE!, "--usb", url]);
        assert.equal(code, 1);
        assert.match(errors, pattern);
        assert.doesNotMatch(errors, /Number, or Enter/);
      });
    }
  },
);

test(
  "fastboop tells an image's system the settings of this machine where that is wanted",
  options,
  async () => {
    const env = { LC_ALL: "", LANG: "de_DE.UTF-8", TZ: "Europe/Berlin" };
    const settings = async (...args: string[]) => {
      const { code, text, errors } = await runCli([
        ...["stage0", IMAGE!, "--device-profile", "virtual-phone-arm64"],
        ...["-o", "/dev/null", "--explain", ...args],
      ], env);
      assert.equal(code, 0, errors);
      assert.match(text, /^ {2}smoo\.mimic_fastboot=1$/m);
      return text;
    };
    assert.doesNotMatch(await settings(), /firstboot/);
    const told = await settings("--systemd-firstboot", "true");
    assert.match(told, /^ {2}firstboot\.locale=de_DE\.UTF-8$/m);
    assert.match(told, /^ {2}firstboot\.timezone=Europe\/Berlin$/m);
  },
);
