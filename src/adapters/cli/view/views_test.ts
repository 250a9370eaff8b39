// deno-lint-ignore-file no-control-regex -- terminals are controlled by them

import assert from "node:assert/strict";
import test from "node:test";
import type { BootEvent } from "../../../boot/run/events.ts";
import { eventLine } from "./event_text.ts";
import { formatBytes, formatDuration } from "./format.ts";
import { advance, NOTHING_YET, statusLines } from "./status.ts";
import { jsonView, liveView, plainView } from "./views.ts";

const device = {
  vendorId: 0x18d1,
  productId: 0xd00d,
  serialNumber: "0123",
  port: "1-2",
};
const phone = "0123";
const statistics = {
  requests: { read: 10, write: 0, flush: 0, discard: 0 },
  failed: 0,
  bytesRead: 3 << 20,
  bytesWritten: 0,
  inFlight: 1,
  maxInFlight: 4,
  latency: undefined,
  cache: undefined,
};
const MIB = 1 << 20;
const error = { code: "usb.disconnected", message: "it is gone", facts: {} };

const EVENTS: BootEvent[] = [
  {
    type: "waiting",
    ms: 0,
    profiles: ["oneplus-fajita"],
    serialNumbers: [],
    ports: [],
  },
  { type: "reading", ms: 100, bytes: 5 * MIB },
  { type: "building", ms: 200, part: "compress-kernel" },
  { type: "found", ms: 1000, phone, device },
  { type: "probing", ms: 1000, phone, profiles: ["oneplus-fajita"] },
  {
    type: "identified",
    ms: 1100,
    phone,
    profile: "oneplus-fajita",
    name: "OnePlus 6T",
    by: "given",
  },
  {
    type: "sending",
    ms: 2000,
    phone,
    bytes: 0,
    total: 20 * MIB,
    bytesPerSecond: 0,
  },
  {
    type: "sending",
    ms: 2500,
    phone,
    bytes: 10 * MIB,
    total: 20 * MIB,
    bytesPerSecond: 20 * MIB,
  },
  {
    type: "sending",
    ms: 3000,
    phone,
    bytes: 20 * MIB,
    total: 20 * MIB,
    bytesPerSecond: 20 * MIB,
  },
  { type: "booting", ms: 3000, phone },
  { type: "left", ms: 3500, phone },
  {
    type: "waiting-for-gadget",
    ms: 3500,
    phone,
    device,
    timeoutMs: 180_000,
  },
  { type: "connected", ms: 9000, phone, device, session: "00" },
  { type: "serving", ms: 10_000, phone, statistics },
  {
    type: "device-log",
    ms: 10_500,
    phone,
    level: 6,
    seconds: 6.5,
    text: "stage0: mount\x1b[2J",
  },
  {
    type: "handed-over",
    ms: 11_000,
    phone,
    line: "handing over",
  },
  { type: "link-lost", ms: 60_000, phone, error },
  {
    type: "link-back",
    ms: 72_300,
    phone,
    device,
    lostMs: 12_300,
    session: "00",
  },
  {
    type: "finished",
    ms: 90_000,
    phone,
    reason: "stopped",
    phoneNeedsHost: true,
  },
];

test("plainView() tells a boot in lines, with the time and what took how long", () => {
  let text = "";
  const view = plainView({ verbosity: 0 }, (more) => text += more);
  for (const event of EVENTS) view.show(event);
  assert.equal(
    text,
    `    0.0s  Waiting for a phone of profile oneplus-fajita: start its bootloader ("fastboot mode") and plug it in
    1.0s  Found 18d1:d00d "0123" at 1-2
    1.1s  It is OnePlus 6T (oneplus-fajita)
    3.0s  Sent 20.0 MiB, 20.0 MiB/s
    3.0s  Told the bootloader to start it
    3.5s  The kernel boots; waiting for the phone to come back
    9.0s  The phone is back and reads the image
   10.5s  phone: [6.500] stage0: mount?[2J
   11.0s  The image's own system starts
   11.0s  Took 10.0 s: making the boot image 1.0 s, sending it 1.0 s, kernel 6.0 s, stage0 2.0 s
   60.0s  Lost the phone: it is gone; it stands still until the cable is back
   72.3s  The phone is back after 12.3 s
   90.0s  Serving has ended. The phone stands still, as its system is here: serve it again by --resume, or restart it by holding its power key. Nothing was written to it
`,
  );
});

test("plainView() tells failures and warnings only when it is to be quiet, details when not", () => {
  const tell = (verbosity: -1 | 0 | 1) => {
    let text = "";
    const view = plainView({ verbosity }, (more) => text += more);
    for (const event of EVENTS) view.show(event);
    view.note("by the way");
    return text.trimEnd().split("\n");
  };
  assert.deepEqual(tell(-1), [
    "   60.0s  Lost the phone: it is gone; it stands still until the cable is back",
  ]);
  const verbose = tell(1);
  assert.ok(verbose.includes("    0.2s  Compressing the kernel"));
  assert.ok(verbose.includes("    2.0s  Sending 20.0 MiB"));
  assert.ok(verbose.includes("    3.5s  The bootloader has left the bus"));
  assert.equal(verbose.at(-1), "fastboop: by the way");
  assert.equal(tell(0).length, EVENTS.length - 6 + 1);
});

test("eventLine() adds what to do to failures, and keeps their lines", () => {
  const failed = (code: string) =>
    eventLine({
      type: "failed",
      ms: 0,
      code,
      message: "Cannot use it\x07",
      facts: {},
      booted: false,
    });
  assert.deepEqual(failed("boot.several-phones"), {
    kind: "error",
    text:
      "Cannot use it?\nChoose by --device-serial TEXT or --port BUS-PORT, or boot them all by --all",
  });
  assert.deepEqual(failed("x.y"), { kind: "error", text: "Cannot use it?" });
});

test("lines name their phone as soon as there are several", () => {
  let text = "";
  const view = plainView({ verbosity: 0 }, (more) => text += more);
  view.show({ type: "found", ms: 0, phone: "a", device });
  view.show({ type: "booting", ms: 0, phone: "a" });
  view.show({ type: "found", ms: 0, phone: "b", device });
  view.show({ type: "booting", ms: 0, phone: "b" });
  assert.deepEqual(text.split("\n").map((line) => line.slice(10)), [
    'Found 18d1:d00d "0123" at 1-2',
    "Told the bootloader to start it",
    'b: Found 18d1:d00d "0123" at 1-2',
    "b: Told the bootloader to start it",
    "",
  ]);
});

test("jsonView() writes one object a line and nothing else", () => {
  let out = "", errors = "";
  const view = jsonView((more) => out += more, (more) => errors += more);
  for (const event of EVENTS) view.show(event);
  view.note("by the way");
  view.close();
  const lines = out.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ type, ms }) => [type, ms]),
    EVENTS.map(({ type, ms }) => [type, ms]),
  );
  assert.equal(errors, "");
});

test("statusLines() show where a phone is, never wider than the terminal", () => {
  const after = (count: number, now: number, columns = 100) =>
    statusLines(
      EVENTS.slice(0, count).reduce(advance, NOTHING_YET),
      now,
      columns,
    );
  assert.deepEqual(after(3, 1200), [
    "Compressing the kernel (1.0 s), 5.0 MiB of the image read",
  ]);
  assert.deepEqual(after(6, 1600), [
    "OnePlus 6T: Making the boot image (0.6 s)",
  ]);
  assert.deepEqual(after(8, 2500), [
    "OnePlus 6T: Sending ###############---------------  10.0 MiB of 20.0 MiB, 20.0 MiB/s, 0.5 s left",
  ]);
  assert.deepEqual(after(8, 2500, 70), [
    "OnePlus 6T: Sending 10.0 MiB of 20.0 MiB, 20.0 MiB/s, 0.5 s left",
  ]);
  assert.deepEqual(after(12, 5000), ["OnePlus 6T: The kernel boots (2.0 s)"]);
  assert.deepEqual(after(14, 11_000), [
    "OnePlus 6T: Mounting the image (2.0 s), 3.0 MiB served, 3.0 MiB/s",
  ]);
  assert.deepEqual(after(16, 20_000), [
    "OnePlus 6T: Running (9.0 s), 3.0 MiB served",
  ]);
  assert.deepEqual(after(17, 65_000), [
    "OnePlus 6T: unplugged for 5.0 s, plug it in again to go on",
  ]);
  for (let columns = 1; columns < 100; columns++) {
    for (let count = 0; count <= EVENTS.length; count++) {
      for (const line of after(count, 99_000, columns)) {
        assert.ok(line.length <= columns, `${columns}: ${line}`);
      }
    }
  }
});

/** A terminal as `liveView()` uses it: what can be seen of it, and above. */
class FakeTerminal {
  columns = 60;
  readonly colours = false;
  lines: string[] = [""];
  writes = 0;
  tick: (() => void) | undefined;

  write(text: string) {
    this.writes++;
    const inner = /^\x1b\[\?2026h([^]*)\x1b\[\?2026l$/.exec(text)?.[1];
    assert.ok(inner !== undefined, JSON.stringify(text));
    for (
      const [part] of inner.matchAll(/\x1b\[[0-9]*[AJ]|[\r\n]|[^\x1b\r\n]+/g)
    ) {
      if (part === "\n") this.lines.push("");
      else if (part.endsWith("A") && part.startsWith("\x1b")) {
        const up = Number(part.slice(2, -1));
        assert.ok(up < this.lines.length);
        // what is below the cursor is erased next
        this.lines.length -= up;
        this.lines[this.lines.length - 1] = "";
      } else if (part !== "\r" && !part.startsWith("\x1b")) {
        this.lines[this.lines.length - 1] += part;
      }
    }
  }

  repeat = (draw: () => void) => {
    this.tick = draw;
    return () => this.tick = undefined;
  };
}

test("liveView() keeps the status below the lines, and draws it in place", () => {
  const terminal = new FakeTerminal();
  let now = 1_000_000;
  const view = liveView({ verbosity: 0 }, terminal, () => now, terminal.repeat);
  for (const event of EVENTS.slice(0, 8)) {
    now = 1_000_000 + event.ms;
    view.show(event);
  }
  const lines = [
    'Waiting for a phone of profile oneplus-fajita: start its bootloader ("fastboot mode") and plug it in',
    'Found 18d1:d00d "0123" at 1-2',
    "It is OnePlus 6T (oneplus-fajita)",
  ];
  assert.deepEqual(terminal.lines, [
    ...lines,
    "OnePlus 6T: Sending 10.0 MiB of 20.0 MiB, 20.0 MiB/s, 0.5 …",
    "",
  ]);
  assert.equal(terminal.writes, 7, "who is asked what shows nothing");
  view.console("[    0.000000] Linux\x1b[31m");
  assert.deepEqual(terminal.lines.slice(3), [
    "console│ [    0.000000] Linux?[31m",
    "OnePlus 6T: Sending 10.0 MiB of 20.0 MiB, 20.0 MiB/s, 0.5 …",
    "",
  ]);
  for (const event of EVENTS.slice(8, 12)) view.show(event);
  now = 1_005_500;
  terminal.tick!();
  assert.deepEqual(terminal.lines.slice(-3), [
    "The kernel boots; waiting for the phone to come back",
    "OnePlus 6T: The kernel boots (2.5 s)",
    "",
  ]);
  const { writes } = terminal;
  terminal.tick!();
  assert.equal(terminal.writes, writes, "nothing new is not drawn");
  // what was one row is two now
  terminal.columns = 20;
  terminal.lines.splice(-2, 1, "OnePlus 6T: The kern", "el boots (2.5 s)");
  view.pause();
  assert.equal(terminal.tick, undefined);
  assert.equal(
    terminal.lines.at(-2),
    "The kernel boots; waiting for the phone to come back",
  );
  view.show(EVENTS[12]!);
  view.close();
  assert.equal(terminal.lines.at(-2), "The phone is back and reads the image");
  assert.equal(terminal.tick, undefined);
});

test("liveView() uses colours only where they are wanted", () => {
  const write = (colours: boolean) => {
    let text = "";
    const screen = {
      columns: 80,
      colours,
      write: (more: string) => text += more,
    };
    const view = liveView({ verbosity: 0 }, screen, () => 0, () => () => {});
    for (const event of EVENTS) view.show(event);
    view.close();
    return text;
  };
  assert.doesNotMatch(write(false), /\x1b\[[0-9;]*m/);
  assert.match(write(true), /\x1b\[33mLost the phone: .*\x1b\[0m/);
});

test("numbers are written for people", () => {
  assert.equal(formatBytes(0), "0 bytes");
  assert.equal(formatBytes(1023), "1023 bytes");
  assert.equal(formatBytes(1024), "1.0 KiB");
  assert.equal(formatBytes(1024 * 1024 - 1), "1.0 MiB");
  assert.equal(formatBytes(5.5 * 2 ** 40), "5.5 TiB");
  assert.equal(formatDuration(0), "0.0 s");
  assert.equal(formatDuration(59_949), "59.9 s");
  assert.equal(formatDuration(59_951), "1:00 min");
  assert.equal(formatDuration(125_000), "2:05 min");
  assert.equal(formatDuration(3_725_000), "1:02:05 h");
});
