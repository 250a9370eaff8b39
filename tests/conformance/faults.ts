/**
 * The rows of docs/FAULTS.md as they happen.
 *
 * @module
 */

import { loadNativeUsb } from "../../src/adapters/node/usb_native.ts";
import { UsbError } from "../../src/usb/errors.ts";
import { UsbIpBus } from "../../src/usb/usbip/bus.ts";
import {
  MADE_FOLDER,
  MADE_MODULES,
  MADE_TREES,
  madeProfile,
} from "../support/boot_image.ts";
import { BootingPhone, FakeWorld, startBoot } from "../support/boot_world.ts";
import {
  answers,
  ends,
  image,
  interrupted,
  modelled,
  outcome,
  passedOver,
  resumed,
  running,
  type Scenario,
  serving,
  thrown,
  unopenable,
  virtual,
} from "../support/fault_scenarios.ts";
import { SILENT } from "../support/fault_phone.ts";
import { MADE_RELEASE } from "../support/made_kernel.ts";
import { READ } from "../support/smoo_gadget.ts";

/** For gadgets that never come, by the program's clock. */
const NO_GADGET = { gadgetMs: 4000 };
const BROKEN = {
  ...{ name: "broken", identity: "broken", blockSize: 512, size: 1 << 20 },
  read: () => Promise.reject(new Error("The disk is gone")),
};

/** By `step: what happens`. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  "image: no kernel is in it": image({
    [`/boot/vmlinuz-${MADE_RELEASE}`]: undefined,
  }),
  "image: its modules are of another kernel": image({
    ...Object.fromEntries(
      [
        ...MADE_MODULES.map((name) => `kernel/${name}.ko`),
        "modules.dep",
        "modules.builtin",
      ]
        .map((name) => [`${MADE_FOLDER}/${name}`, undefined]),
    ),
    "/usr/lib/modules/6.1.0-other/modules.dep": "",
    "/usr/lib/modules/6.1.0-other/modules.builtin": "",
  }),
  "image: a module that the phone needs is not in it": image({
    [`${MADE_FOLDER}/kernel/phone_usb.ko`]: undefined,
  }),
  "image: no device tree for the phone": image({
    [`${MADE_TREES}/vendor/phone.dtb`]: undefined,
  }),
  "waiting: no phone in time (`--wait`)": () =>
    ends(new FakeWorld().world, { waitMs: 1000 }),
  "waiting: several phones, and nobody who can be asked": async () => {
    const bus = new FakeWorld();
    const phones = ["0123", "4567"].map((serialNumber) =>
      new BootingPhone(bus, { serialNumber })
    );
    const end = await ends(bus.world);
    const usable = await Promise.all(phones.map(answers));
    return { ...end, usable: !usable.includes(false) };
  },
  "waiting: a phone of another make": passedOver((bus) =>
    new BootingPhone(bus, {
      serialNumber: "0123",
      variables: { product: "else" },
    })
  ),
  "waiting: a phone that runs already, without `--resume`": passedOver(
    running,
    false,
  ),
  "waiting: a phone that runs already, with `--resume`": () => {
    const bus = new FakeWorld();
    running(bus);
    return resumed(bus);
  },
  "waiting: no such server": () => {
    const gone = new UsbError("usb.unreachable", "Nobody is there");
    const usb = new UsbIpBus({ connect: () => Promise.reject(gone) });
    return ends({ usb });
  },
  "waiting: no USB on this machine": () =>
    thrown(() => loadNativeUsb(() => Promise.reject(new Error("no bus")))),
  "opening: no right to use it, for 5 s": unopenable(
    "SecurityError",
    "Access denied",
  ),
  "opening: another program has it, for 3 s": unopenable(
    "NetworkError",
    "Unable to claim interface",
  ),
  "opening: it describes itself wrongly": virtual(
    ["usb:descriptors=length-0"],
    { usable: false },
  ),
  "probing: it is unplugged, and plugged in again": virtual([
    "getvar:product:unplug*1=0",
  ]),
  "probing: FAIL to a variable that the profile wants": passedOver((bus) =>
    new BootingPhone(bus, {
      serialNumber: "0123",
      faults: [{ at: "getvar:product", fail: "no", times: 1 }],
    })
  ),
  "probing: nonsense": virtual(["getvar:product:instead*1=WHAT"]),
  "probing: nothing for 30 s": virtual(["getvar:product:silent*1"], SILENT),
  "probing: several profiles fit, and nobody who can be asked": modelled({}, {
    profiles: [madeProfile(), { ...madeProfile(), id: "made-other" }],
  }),
  "building: it is unplugged": async () => {
    const bus = new FakeWorld();
    const phone = new BootingPhone(bus, { serialNumber: "0123" });
    const boot = startBoot(bus, {
      profiles: [madeProfile(), { ...madeProfile(), id: "made-other" }],
      // who is asked pulls the cable instead
      chooseProfile: () => {
        phone.unplug();
        return new Promise(() => {});
      },
    });
    return await outcome(boot, false);
  },
  "download: the image is larger than `max-download-size`": modelled({
    maxDownloadSize: 4096,
  }),
  "download: FAIL": virtual(["download:fail*1=no memory"]),
  "download: it announces another length": virtual([
    "download:announce*1=-512",
  ]),
  "download: nonsense": virtual(["download:instead*1=WHAT"]),
  "download: nothing for 30 s": virtual(["download:silent*1"], SILENT),
  "data: it is unplugged": virtual(["data:unplug*1=20000"]),
  "data: it halts its endpoint": virtual(["data:stall*1=out"]),
  "data: FAIL behind the data": virtual(["image:fail*1=bad check sum"]),
  "data: nothing for 30 s behind the data": virtual(["image:silent*1"], SILENT),
  "any command: INFO and TEXT before the answer": virtual(
    ["getvar", "download", "image", "boot"].map((at) =>
      `${at}:before=INFOwait,TEXTa`
    ),
  ),
  "any command: a stall, NULs behind the answer, a slow answer": virtual(
    ["getvar", "download", "image", "boot"].flatMap((at) => [
      ...[`${at}:stall*1=in`, `${at}:pad=256`, `${at}:delay=20`],
    ]),
  ),
  "boot: FAIL": virtual(["boot:fail*1=no memory"]),
  "boot: nonsense": virtual(["boot:instead*1=WHAT"], { usable: false }),
  "boot: it leaves without an answer": async () => {
    const bus = new FakeWorld();
    const faults = [{ at: "boot", unplug: 0 }];
    const phone = new BootingPhone(bus, { serialNumber: "0123", faults });
    const boot = startBoot(bus);
    await boot.seen("left");
    phone.enterGadget();
    await boot.seen("connected");
    const end = await outcome(boot, true);
    await boot.stop();
    return end;
  },
  "boot: OKAY, and it stays for 30 s": async () => {
    const { usable: _, ...end } = await modelled({ afterBoot: "stay" })();
    return end;
  },
  "gadget: it does not come back in 180 s (`--gadget-wait`)": async () => {
    const { usable: _, ...end } = await modelled(
      { afterBoot: "nothing" },
      NO_GADGET,
    )();
    return end;
  },
  "gadget: another phone comes": async () => {
    const { usable: _, ...end } = await modelled(
      { afterBoot: "stranger" },
      NO_GADGET,
    )();
    return end;
  },
  "gadget: it is in its bootloader again": modelled({
    afterBoot: "bootloader",
  }),
  "gadget: it cannot be opened at once": async () => {
    const bus = new FakeWorld();
    const phone = new BootingPhone(bus, {
      serialNumber: "0123",
      afterBoot: "nothing",
    });
    const boot = startBoot(bus);
    await boot.seen("waiting-for-gadget");
    phone.enterGadget();
    const device = phone.gadget.device!;
    const { open } = device;
    device.open = () => Promise.reject(new Error("busy"));
    await boot.seen("warning");
    device.open = open;
    await boot.seen("connected");
    const end = await outcome(boot, true);
    await boot.stop();
    return end;
  },
  "serving: the cable is pulled": serving(async (phone, boot) => {
    phone.unplug();
    await boot.seen("link-lost");
    phone.enterGadget();
  }, "link-back"),
  "serving: the gadget began anew": serving((phone) => {
    phone.gadget.sessionId = 5n;
  }, "link-back"),
  "serving: a read of the image fails": serving(
    (phone) => void phone.gadget.request(READ, 0, 1).catch(() => {}),
    "request-failed",
    {},
    [{ reader: BROKEN, blockSize: 4096 }],
  ),
  "serving: it is restarted, and in its bootloader": serving((phone) => {
    phone.unplug();
    phone.enterBootloader();
  }, "end"),
  "serving: it is gone for longer than `--gone-after`": async () => {
    const scenario = serving((phone) => phone.unplug(), "end", {
      goneMs: 1000,
    });
    const { usable: _, ...end } = await scenario();
    return end;
  },
  "serving: this program is killed, and started again with `--resume`":
    async () => {
      const bus = new FakeWorld();
      const phone = new BootingPhone(bus, { serialNumber: "0123" });
      const first = startBoot(bus);
      await first.seen("connected");
      await first.stop();
      const waiting = phone.gadget.request(READ, 3, 1);
      const end = await resumed(bus);
      await waiting;
      return end;
    },
  "any: Ctrl-C before it is told to boot": interrupted("sending", true),
  "any: Ctrl-C behind that": interrupted("connected", false),
};
