import assert from "node:assert/strict";
import test from "node:test";
import type { ErrorCode } from "../../src/errors.ts";
import { isCoded } from "../../src/errors.ts";
import { parseFault } from "../../src/phone/fault_text.ts";
import { WatchedPhone, withFastboot } from "../support/virtual_phone.ts";

/** No boot image: what is behind a download is not looked at here. */
const IMAGE = new Uint8Array(1_500_000).fill(7);
const SILENCE_MS = 400;

/** Once each, as users write it, and the code that a host must fail with; none: it goes on. */
const CASES:
  readonly (readonly [fault: string, code: ErrorCode | undefined])[] = [
    ["getvar:product:fail*1=locked", "fastboot.failed"],
    ["getvar:product:instead*1=garbage", "fastboot.bad-reply"],
    ["getvar:product:silent*1", "fastboot.timeout"],
    ["getvar:product:delay*1=100", undefined],
    ["getvar:product:stall*1=in", undefined],
    ["getvar:product:stall*1=out", undefined],
    ["getvar:product:unplug*1=0", "fastboot.lost"],
    ["download:fail*1=no memory", "fastboot.failed"],
    ["download:announce*1=-512", "fastboot.data-length"],
    ["download:announce*1=512", "fastboot.data-length"],
    ["download:instead*1=OKAY", "fastboot.bad-reply"],
    ["download:unplug*1=0", "fastboot.lost"],
    ["data:unplug*1=1000000", "fastboot.lost"],
    ["data:stall*1=out", "fastboot.lost"],
    ["data:delay*1=100", undefined],
    ["image:fail*1=bad image", "fastboot.failed"],
    ["image:silent*1", "fastboot.timeout"],
    ["boot:fail*1=no memory", "fastboot.failed"],
    ["boot:silent*1", "fastboot.timeout"],
    ["boot:unplug*1=0", "fastboot.lost"],
  ];

for (const [fault, code] of CASES) {
  test(`a virtual phone with ${fault}: ${code ?? "the host goes on"}, and the phone can be used again`, async () => {
    const phone = await WatchedPhone.start({ faults: [parseFault(fault)] });
    try {
      const bus = phone.bus();
      const talking = withFastboot(bus, async (client) => {
        assert.equal(await client.getvar("product"), "virtual-phone-arm64");
        await client.download(IMAGE);
        await client.boot();
      }, SILENCE_MS);
      await assert.rejects(talking, (error) => {
        // without a fault the bootloader refuses what is no boot image
        assert.ok(isCoded(error, code ?? "fastboot.failed"), `${error}`);
        return true;
      });
      const product = await withFastboot(
        bus,
        (client) => client.getvar("product"),
        5000,
      );
      assert.equal(product, "virtual-phone-arm64");
    } finally {
      await phone.stop();
    }
  });
}

test("a slow cable of a virtual phone carries no more than it may", async () => {
  const phone = await WatchedPhone.start({ bytesPerSecond: 2_000_000 });
  try {
    const began = performance.now();
    await withFastboot(phone.bus(), (client) => client.download(IMAGE));
    const ms = performance.now() - began;
    assert.ok(ms > 700, `${ms}`);
  } finally {
    await phone.stop();
  }
});
