import assert from "node:assert/strict";
import test from "node:test";
import {
  FastbootDevice,
  type FastbootDeviceOptions,
} from "./fastboot_device.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** What a bootloader does, one line each. */
async function talk(
  options: FastbootDeviceOptions,
  ...packets: (string | Uint8Array)[]
): Promise<string[]> {
  const device = new FastbootDevice(options);
  const done: string[] = [];
  for (const packet of packets) {
    const given = typeof packet === "string" ? bytes(packet) : packet;
    for await (const action of device.receive(given)) {
      if (action.kind === "reply") {
        done.push(new TextDecoder().decode(action.packet));
      } else if (action.kind === "leave") {
        done.push(`leave with ${action.image?.length ?? "nothing"}`);
      } else if (action.kind === "stall") {
        done.push(`stall ${action.direction}`);
      } else if (action.kind === "wait") done.push(`wait ${action.ms}`);
      else done.push(action.kind);
    }
  }
  return done;
}

const DATA = new Uint8Array(16).fill(7);

test("FastbootDevice answers, takes an image and leaves with it", async () => {
  const variables = { product: "sdm845", "max-download-size": "32" };
  assert.deepEqual(
    await talk(
      { variables, maxDownloadSize: 32 },
      "getvar:product",
      "getvar:nothing",
      "getvar:all",
      "download:00000010",
      DATA.subarray(0, 5),
      DATA.subarray(5),
      "boot",
    ),
    [
      "OKAYsdm845",
      "FAILunknown variable",
      "INFOversion: 0.4",
      "INFOmax-download-size: 32",
      "INFOproduct: sdm845",
      "OKAYDone!",
      "DATA00000010",
      "OKAY",
      "OKAY",
      "leave with 16",
    ],
  );
  assert.deepEqual(await talk({}, "continue"), ["OKAY", "leave with nothing"]);
  assert.deepEqual(await talk({}, "reboot"), ["OKAY", "leave with nothing"]);
});

test("FastbootDevice refuses what it does not know, and what is too much", async () => {
  assert.deepEqual(
    await talk(
      { maxDownloadSize: 32 },
      "erase:userdata",
      "",
      "x".repeat(65),
      "download:00000021",
      "download:10",
      "download:00000000",
      "boot",
    ),
    [
      "FAILunknown command",
      "FAILunknown command",
      "FAILcommand too long",
      "FAILdata too large",
      "FAILdata invalid size",
      "FAILdata invalid size",
      "FAILno image downloaded",
    ],
  );
});

test("FastbootDevice judges images, and cuts its replies", async () => {
  assert.deepEqual(
    await talk(
      { judgeImage: (image) => `bad magic ${image[0]}`, maxReplyBytes: 12 },
      "download:00000010",
      DATA,
      "boot",
    ),
    ["DATA00000010", "OKAY", "FAILbad magi"],
  );
});

test("FastbootDevice ends a download at a packet that is not whole, as LK does", async () => {
  const said = await talk(
    { packetSize: 8 },
    "download:00000010",
    DATA.subarray(0, 8),
    new Uint8Array(0),
    DATA.subarray(0, 5),
    "getvar:version",
  );
  assert.deepEqual(said, ["DATA00000010", "FAILdata ended early", "OKAY0.4"]);
});

test("FastbootDevice does wrong as it is told, as often as it is told", async () => {
  const faults = [
    { at: "getvar", fail: "not now", times: 1 },
    { at: "getvar", stall: "out", times: 1 },
    { at: "getvar", stall: "in", times: 1 },
    { at: "getvar", before: ["INFOa", "TEXTb"], times: 1 },
    { at: "getvar", delayMs: 5, times: 1 },
    { at: "boot", instead: "what?" },
    { at: "download", announce: -8 },
    { at: "image", silent: true },
  ] as const;
  const ask = "getvar:version";
  assert.deepEqual(
    await talk(
      { faults },
      ask,
      ask,
      ask,
      ask,
      "download:00000010",
      DATA.subarray(8),
      "boot",
    ),
    [
      "stall out",
      "wait 5",
      "stall in",
      "INFOa",
      "TEXTb",
      "FAILnot now",
      "OKAY0.4",
      "OKAY0.4",
      "DATA00000008",
      "what?",
      "leave with 8",
    ],
  );
});

test("FastbootDevice tears packets, joins them, fills them up, and is unplugged", async () => {
  const ask = "getvar:version";
  const with1 = (fault: object) =>
    talk({ faults: [{ at: "getvar", ...fault } as never] }, ask);
  assert.deepEqual(await with1({ split: 3 }), ["OKA", "Y0.4"]);
  assert.deepEqual(await with1({ pad: 9 }), ["OKAY0.4\0\0"]);
  assert.deepEqual(await with1({ unplug: 0 }), ["unplug"]);
  const glued = [{ at: ask, before: ["INFOx"] }, {
    at: ask,
    glue: true as const,
  }];
  assert.deepEqual(await talk({ faults: glued }, ask), ["INFOxOKAY0.4"]);
  const unplugged = [{ at: "data", unplug: 10 }];
  assert.deepEqual(
    await talk(
      { faults: unplugged },
      "download:00000010",
      DATA.subarray(0, 8),
      DATA.subarray(0, 2),
      DATA.subarray(0, 1),
    ),
    ["DATA00000010", "unplug"],
  );
});
