import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { openUsbIpDevice } from "../../src/usb/usbip/device.ts";
import { phoneImage } from "../support/missing_phone.ts";
import { PatternReader } from "../support/pattern_reader.ts";
import { Guest } from "../support/phone_console.ts";
import { PhoneHost } from "../support/phone_host.ts";
import { configBytes, RawSmoo } from "../support/raw_smoo.ts";
import { type BootedPhone, bootPhone } from "../support/rig.ts";

const MIB = 1 << 20;
/** With one of them ready within this, a Request would have come. */
const SILENCE_MS = 2500;
const { path: IMAGE, options } = phoneImage("guest-arm64.erofs");

/** Bytes as the documents of the protocol write them. */
function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function withRawHost(
  phone: BootedPhone,
  use: (smoo: RawSmoo) => Promise<void>,
): Promise<void> {
  const { stream, devid, speed } = await phone.machine.plugIn();
  try {
    const device = await openUsbIpDevice(stream, { devid, speed });
    await use(await RawSmoo.claim(device));
    await device.close();
  } finally {
    stream.close();
  }
}

test("the smoo gadget of a phone keeps the protocol", options, async (t) => {
  const phone = await bootPhone({
    image: IMAGE,
    deviceSerial: "deadbeef",
  });
  const pattern = new PatternReader(256 * MIB);
  let host: PhoneHost | undefined;
  try {
    await phone.machine.console.waitFor(/waiting for the host/, {
      timeoutMs: 120_000,
    });
    await withRawHost(phone, async (smoo) => {
      await t.test("descriptors", () => checkDescriptors(smoo));
      await t.test("IDENT", () => checkIdent(smoo));
      await t.test("STATUS before CONFIG_EXPORTS", () => checkFirst(smoo));
      await t.test("bad CONFIG_EXPORTS are refused", () => checkBad(smoo));
      await t.test("0, 1 and 32 exports", () => checkCounts(smoo));
      await t.test("the log", () => checkLog(smoo));
    });
    await withRawHost(
      phone,
      (smoo) =>
        t.test(
          "no Request before the first STATUS",
          () => checkSilence(smoo, phone),
        ),
    );

    host = new PhoneHost(phone.machine, [
      { reader: phone.reader, blockSize: 4096 },
      { reader: pattern, blockSize: 4096 },
    ]);
    const guest = new Guest(phone.machine);
    await guest.ready();
    const [root, disk] = await devices(guest, [
      phone.reader.size,
      pattern.size,
    ]);
    const served = { phone, host, guest, pattern, root: root!, disk: disk! };
    await t.test("what the first process finds", () => checkFacts(served));
    await t.test("its figures", (step) => checkFigures(served, step));
    await t.test("reads of all sizes are right", () => checkReads(served));
    await t.test("an error is of one read alone", () => checkError(served));
    await t.test("a short message is dropped", () => checkStray(served));
    await t.test(
      "the same exports keep their devices",
      () => checkSame(served),
    );
    await t.test(
      "a gadget that was killed is started again",
      () => checkKilled(served),
    );
  } catch (error) {
    console.error(phone.machine.console.text.slice(-5000));
    throw error;
  } finally {
    await host?.stop();
    await phone.stop();
  }
});

interface Served {
  readonly phone: BootedPhone;
  readonly host: PhoneHost;
  readonly guest: Guest;
  readonly pattern: PatternReader;
  /** Block devices of the two exports. */
  readonly root: string;
  readonly disk: string;
}

async function checkDescriptors({ device, found }: RawSmoo): Promise<void> {
  assert.equal(device.serialNumber, "deadbeef");
  const { alternate, endpoints } = found;
  assert.equal(alternate.interfaceName, "smoo");
  assert.deepEqual(
    alternate.endpoints.map(({ type, direction }) => `${type}-${direction}`),
    ["interrupt-in", "interrupt-out", "bulk-in", "bulk-out"],
  );
  // high speed: usbip-vudc knows no other
  assert.equal(endpoints["bulk-in"].packetSize, 512);
  assert.equal(endpoints["bulk-out"].packetSize, 512);
  assert.ok(endpoints["interrupt-in"].packetSize >= 28);
  await Promise.resolve();
}

async function checkIdent(smoo: RawSmoo): Promise<void> {
  for (const length of [8, 64]) {
    const { status, bytes } = await smoo.ident(length);
    assert.equal(status, "ok");
    assert.equal(hex(bytes), "534d4f4f00000100", `wLength ${length}`);
  }
  assert.equal((await smoo.ident(7)).status, "stall");
  // after a stall all is as before
  assert.equal((await smoo.ident(8)).status, "ok");
  assert.equal((await smoo.ask("vendor", 0x77, 8)).status, "stall");
  assert.equal((await smoo.ask("class", 1, 8)).status, "stall");
  assert.equal((await smoo.ident(8)).status, "ok");
}

async function checkFirst(smoo: RawSmoo): Promise<void> {
  const { active, exportCount, sessionId } = await smoo.status();
  assert.equal(active, false);
  assert.equal(exportCount, 0);
  assert.notEqual(sessionId, 0n);
  const again = await smoo.status();
  assert.equal(again.sessionId, sessionId);
}

const GOOD = { id: 0x11223344, blockSize: 512, size: 1 << 30 };

async function checkBad(smoo: RawSmoo): Promise<void> {
  const one = configBytes([GOOD]);
  const list = Array.from({ length: 33 }, (_, i) => ({ ...GOOD, id: i + 1 }));
  // where the length alone tells, the request is stalled
  for (
    const bytes of [
      one.slice(0, 7),
      one.slice(0, 31),
      new Uint8Array([...one, 0]),
      configBytes(list),
    ]
  ) {
    assert.equal(await smoo.configure(bytes), "stall", `${bytes.length} bytes`);
  }
  // what the length does not tell is not accepted either
  for (
    const bytes of [
      configBytes([GOOD], { version: 1 }),
      configBytes([GOOD], { flags: 1 }),
      configBytes([GOOD], { count: 2 }),
      configBytes([{ ...GOOD, id: 0 }]),
      configBytes([{ ...GOOD, blockSize: 1000 }]),
      configBytes([{ ...GOOD, blockSize: 256 }]),
      configBytes([{ ...GOOD, blockSize: 131072 }]),
      configBytes([{ ...GOOD, size: 513 }]),
      configBytes([{ ...GOOD, size: 0 }]),
      configBytes([GOOD, GOOD]),
    ]
  ) {
    await smoo.configure(bytes);
    const { exportCount } = await smoo.status();
    assert.equal(exportCount, 0, hex(bytes));
  }
}

/** STATUS tells what became of a list; some time after it. */
async function untilCount(smoo: RawSmoo, count: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if ((await smoo.status()).exportCount === count) return;
    await sleep(50);
  }
  assert.equal((await smoo.status()).exportCount, count);
}

async function checkCounts(smoo: RawSmoo): Promise<void> {
  const many = Array.from({ length: 32 }, (_, i) => ({
    id: 0x1000 + i,
    blockSize: 4096,
    size: (i + 1) * MIB,
  }));
  for (const list of [[GOOD], [], many, []]) {
    assert.equal(await smoo.configure(configBytes(list)), "ok");
    await untilCount(smoo, list.length);
  }
}

/** LOG: header of 32 bytes, then lines. See docs/PROTOCOL.md. */
async function checkLog(smoo: RawSmoo): Promise<void> {
  const ask = (length: number, value: number) =>
    smoo.ask("vendor", 4, length, value);
  assert.equal((await ask(31, 0)).status, "stall");
  const { bytes } = await ask(4096, 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  assert.equal(view.getUint16(0, true), 0, "version");
  assert.equal(view.getUint16(2, true), 32, "header_size");
  const [oldest, start, newest] = [8, 16, 24].map((at) =>
    view.getBigUint64(at, true)
  );
  assert.ok(oldest! <= start! && start! <= newest!);
  const text = new TextDecoder().decode(bytes.subarray(32));
  assert.match(text, /^6 +\d+\.\d{6} stage0: bound to usbip-vudc\.0 /m);
  const header = await ask(32, Number(newest! & 0xffffn));
  assert.equal(header.bytes.length, 32);
}

async function checkSilence(smoo: RawSmoo, { reader }: BootedPhone) {
  const config = configBytes([
    { id: 0x5117, blockSize: 4096, size: reader.size },
  ]);
  assert.equal(await smoo.configure(config), "ok");
  const request = smoo.request();
  const first = await Promise.race([
    request,
    sleep(SILENCE_MS).then(() => undefined),
  ]);
  assert.equal(first, undefined, "a Request before the first STATUS");
  const asked = Date.now();
  await smoo.status();
  const bytes = await request;
  assert.ok(Date.now() - asked < 5000);
  assert.equal(bytes.length, 28);
  assert.equal(hex(bytes.subarray(0, 4)), "00000000", "a Read");
  assert.equal(hex(bytes.subarray(8, 12)), "17510000", "of this export");
  // left unanswered: the next host is asked again, or tells of other exports
}

/** Block devices of the exports, as the phone's own list has them. */
async function devices(guest: Guest, sizes: number[]): Promise<string[]> {
  const [json] = await guest.run("cat /run/smoo/exports.json");
  const exports: { devnode: string; size_bytes: number }[] =
    JSON.parse(json!).exports;
  assert.deepEqual(exports.map(({ size_bytes }) => size_bytes), sizes);
  return exports.map(({ devnode }) => devnode);
}

async function checkFacts({ guest, phone, root }: Served): Promise<void> {
  const mounts = await guest.run("cat /proc/self/mountinfo");
  assert.ok(
    mounts.some((line) => / \/ \/ .* - overlay /.test(line)),
    mounts.join("\n"),
  );
  for (const path of ["/proc", "/sys", "/dev", "/run"]) {
    assert.ok(mounts.some((line) => line.includes(` / ${path} `)), path);
  }
  const device = Guest.facts(await guest.run(`device ${root}`), "device");
  assert.equal(Number(device.get("size")), phone.reader.size);
  assert.equal(device.get("read_only"), "1");
  assert.notEqual(device.get("write"), "ok");

  const stat = await guest.run("stat /etc/fstab");
  assert.match(stat[0]!, /ENOENT/, "fstab is gone");
  const written = Guest.facts(await guest.run("write /data/new 256"), "write");
  assert.equal(written.get("wrong"), "0");
}

/** Bars with room for a busy machine: what is measured is in the test's diagnostics. */
async function checkFigures({ guest }: Served, step: TestContext) {
  const text = (await guest.run("log stage0:")).join("\n");
  const found = (pattern: RegExp) => pattern.exec(text)!.slice(1).map(Number);
  const [bound, modules] = found(/bound to \S+ after (\d+) ms \(modules (\d+)/);
  const [handed] = found(/handing over to the system, (\d+) ms after/);
  const { worker } = await gadget(guest);
  const rss = Number(worker!.get("rss_kib"));
  step.diagnostic(
    `UDC bound ${
      bound! - modules!
    } ms after the start of /init and beside ${modules} ms of modules; ` +
      `/init of the system ${handed} ms after the block device; gadget ${rss} KiB`,
  );
  assert.ok(bound! - modules! < 2500);
  assert.ok(handed! < 2500);
  // of the bar's 4 MiB, and of what two devices may have in their queues
  assert.ok(rss < 4096 + 2 * 16 * 1024);
}

async function checkReads({ guest, disk }: Served): Promise<void> {
  // a multiple of the packet size or not, a page, a request's limit, more than that
  for (const [offset, kib] of [[0, 4], [4096, 12], [MIB, 1024], [0, 4096]]) {
    const lines = await guest.run(`read ${disk} ${offset} ${kib}`);
    const facts = Guest.facts(lines, "read");
    assert.equal(Number(facts.get("bytes")), kib! * 1024);
    assert.equal(facts.get("wrong"), "0");
  }
  const lines = await guest.run(`readers 16 200 ${disk}`);
  const facts = Guest.facts(lines, "readers");
  assert.equal(facts.get("reads"), "200");
  assert.equal(facts.get("wrong"), "0");
  assert.equal(facts.get("errors"), "0");
}

async function checkError({ guest, pattern, disk }: Served): Promise<void> {
  pattern.failing = [{ start: 8 * MIB, end: 8 * MIB + 4096 }];
  await assert.rejects(
    guest.run(`read ${disk} ${8 * MIB} 64`),
    /EIO/,
  );
  // what follows is aligned still, in other readers as well
  const good = await guest.run(`read ${disk} ${9 * MIB} 1024`);
  assert.equal(Guest.facts(good, "read").get("wrong"), "0");
  pattern.failing = [];
  const again = await guest.run(`read ${disk} ${8 * MIB} 64`);
  assert.equal(Guest.facts(again, "read").get("wrong"), "0");
}

async function checkStray({ guest, host, disk }: Served): Promise<void> {
  const { device, plugs } = host;
  const start = guest.start(`& readers 8 100 ${disk}`);
  const number =
    device!.configuration!.interfaces.flatMap(({ alternates }) =>
      alternates[0]!.endpoints
    ).find(({ type, direction }) =>
      type === "interrupt" && direction === "out"
    )!
      .endpointNumber;
  for (let i = 0; i < 5; i++) {
    await sleep(100);
    const text = "getvar:product".slice(0, 14 - i);
    await device!.transferOut(number, new TextEncoder().encode(text));
  }
  const facts = Guest.facts(await guest.ended("readers", start), "readers");
  assert.equal(facts.get("wrong"), "0");
  assert.equal(facts.get("errors"), "0");
  assert.equal(host.plugs, plugs, "the session went on");
}

/** Another one for each device that ever was. */
async function diskNumbers(guest: Guest, ...nodes: string[]): Promise<string> {
  const numbers = [];
  for (const node of nodes) {
    const name = node.slice("/dev/".length);
    numbers.push(...await guest.run(`cat /sys/block/${name}/diskseq`));
  }
  return numbers.join();
}

async function checkSame({ guest, host, root, disk }: Served): Promise<void> {
  const before = await diskNumbers(guest, root, disk);
  host.unplug();
  const lines = await guest.run(`read ${disk} 0 1024`);
  assert.equal(Guest.facts(lines, "read").get("wrong"), "0");
  assert.equal(await diskNumbers(guest, root, disk), before);
}

/** Processes of the gadget: its supervisor, and the worker that this has started. */
async function gadget(guest: Guest) {
  const found = (await guest.run("ps"))
    .filter((line) => line.includes(" argv0=@init "))
    .map((line) => Guest.facts([line], "process"));
  const pids = new Set(found.map((one) => one.get("pid")));
  const worker = found.find((one) => pids.has(one.get("ppid")));
  return { count: found.length, worker };
}

async function checkKilled({ guest, host, root, disk }: Served): Promise<void> {
  const before = await gadget(guest);
  assert.equal(before.count, 2);
  assert.equal(before.worker!.get("oom"), "-1000");
  const disks = await diskNumbers(guest, root, disk);
  const start = guest.start(`& readers 16 300 ${disk}`);
  await sleep(500);
  const { plugs } = host;
  await guest.run(`kill 9 ${before.worker!.get("pid")}`);
  const facts = Guest.facts(
    await guest.ended("readers", start, 120_000),
    "readers",
  );
  assert.equal(facts.get("reads"), "300");
  assert.equal(facts.get("wrong"), "0");
  assert.equal(facts.get("errors"), "0");
  const after = await gadget(guest);
  assert.equal(after.count, 2);
  assert.notEqual(after.worker!.get("pid"), before.worker!.get("pid"));
  assert.equal(
    await diskNumbers(guest, root, disk),
    disks,
    "the devices are the same",
  );
  assert.ok(host.plugs - plugs <= 2, "the cable was not needed");
}
