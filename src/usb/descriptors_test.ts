import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { oddDevice, smooDevice } from "../../tests/support/usb_devices.ts";
import { UsbModel } from "../phone/usb_device.ts";
import { fromHex } from "../../tests/support/usb_script.ts";
import { isCoded } from "../errors.ts";
import {
  parseConfiguration,
  parseLanguage,
  parseString,
} from "./descriptors.ts";

// Written by hand from USB 2.0, tables 9-10, 9-12 and 9-13: one interface of fastboot, two bulk endpoints.
const FASTBOOT = fromHex(`
  09 02 20 00 01 01 00 80 fa
  09 04 00 00 02 ff 42 03 04
  07 05 81 02 00 02 00
  07 05 01 02 00 02 01
`);

const bad = (error: unknown) => isCoded(error, "usb.bad-descriptor");

test("parseConfiguration() reads the interface of a bootloader", () => {
  assert.deepEqual(parseConfiguration(FASTBOOT), {
    configurationValue: 1,
    interfaces: [{
      interfaceNumber: 0,
      claimed: false,
      alternates: [{
        alternateSetting: 0,
        interfaceClass: 0xff,
        interfaceSubclass: 0x42,
        interfaceProtocol: 3,
        nameIndex: 4,
        endpoints: [{
          endpointNumber: 1,
          direction: "in",
          type: "bulk",
          packetSize: 512,
          interval: 0,
        }, {
          endpointNumber: 1,
          direction: "out",
          type: "bulk",
          packetSize: 512,
          interval: 1,
        }],
      }],
    }],
  });
});

test("parseConfiguration() takes no bits of high bandwidth for a size", () => {
  const bytes = FASTBOOT.slice();
  bytes.set([0x00, 0x14], 22); // 1024 bytes, three packets in a microframe
  const [one] = parseConfiguration(bytes).interfaces;
  assert.equal(one!.alternates[0]!.endpoints[0]!.packetSize, 1024);
});

test("parseConfiguration() passes over what is there twice, control endpoints and number 0", () => {
  const bytes = fromHex(`
    09 02 43 00 01 01 00 80 fa
    09 04 00 00 02 ff 42 03 00
    07 05 81 02 00 02 00
    07 05 81 03 40 00 00
    07 05 82 00 40 00 00
    07 05 80 02 40 00 00
    02 ff
    03 0b 00
    09 04 00 00 02 0a 00 00 00
    07 05 03 02 00 02 00
  `);
  const { interfaces } = parseConfiguration(bytes);
  assert.equal(interfaces.length, 1);
  const [alternate, ...rest] = interfaces[0]!.alternates;
  assert.deepEqual(rest, []);
  assert.deepEqual(
    alternate!.endpoints.map((one) => [one.endpointNumber, one.type]),
    [[1, "bulk"]],
  );
});

test("parseConfiguration() refuses a configuration that is cut anywhere", () => {
  for (let length = 0; length < FASTBOOT.length; length++) {
    assert.throws(() => parseConfiguration(FASTBOOT.slice(0, length)), bad);
    // Even when its length was made to fit: no descriptor ends there.
    const bytes = FASTBOOT.slice(0, length);
    if (length > 2) bytes[2] = length;
    if ([9, 18, 25].includes(length)) parseConfiguration(bytes);
    else assert.throws(() => parseConfiguration(bytes), bad, `${length}`);
  }
});

const LIES: Record<string, [at: number, byte: number]> = {
  "a length of 0": [9, 0],
  "a length of 1": [18, 1],
  "a length beyond the end": [25, 200],
  "an interface that is too short": [9, 8],
  "an endpoint that is too short": [25, 6],
  "another type": [1, 1],
  "an endpoint without an interface": [10, 0x24],
};

for (const [what, [at, byte]] of Object.entries(LIES)) {
  test(`parseConfiguration() refuses ${what}`, () => {
    const bytes = FASTBOOT.slice();
    bytes[at] = byte;
    assert.throws(() => parseConfiguration(bytes), bad);
  });
}

test("parseConfiguration() survives changed bytes", () => {
  const seeds = [smooDevice(5), oddDevice()].flatMap((spec) =>
    [...new UsbModel(spec).descriptors].filter(([id]) => id >> 8 === 2)
      .map(([, bytes]) => bytes)
  );
  let accepted = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 }),
      (seed, changes) => {
        const bytes = seed.slice();
        for (const [at, byte] of changes) {
          if (at < bytes.length) bytes[at] = byte;
        }
        try {
          const { interfaces } = parseConfiguration(bytes);
          accepted++;
          for (const { alternates } of interfaces) {
            for (const { endpoints } of alternates) {
              for (const one of endpoints) {
                assert.ok(one.endpointNumber >= 1 && one.endpointNumber <= 15);
                assert.ok(one.packetSize <= 2047);
              }
            }
          }
        } catch (error) {
          assert.ok(bad(error), `${error}`);
        }
      },
    ),
    { numRuns: 3000 },
  );
  assert.ok(accepted > 300 && accepted < 3000, `${accepted} of 3000`);
});

test("parseString() and parseLanguage() read what devices send", () => {
  assert.equal(parseString(fromHex("08 03 70 00 e4 00 3d d8")), "pä\ufffd");
  assert.equal(parseString(fromHex("02 03")), "");
  assert.equal(parseString(fromHex("04 03 61 00 62 00")), "a");
  assert.equal(parseString(fromHex("05 03 61 00 62")), "a");
  for (const wrong of ["", "02", "01 03", "06 03 61 00", "04 02 61 00"]) {
    assert.throws(() => parseString(fromHex(wrong)), bad, wrong);
  }
  assert.equal(parseLanguage(fromHex("04 03 09 04")), 0x0409);
  assert.equal(parseLanguage(fromHex("06 03 07 04 09 04")), 0x0407);
  assert.equal(parseLanguage(fromHex("02 03")), undefined);
  assert.equal(parseLanguage(fromHex("")), undefined);
});
