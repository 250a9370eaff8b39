import assert from "node:assert/strict";
import test from "node:test";
import { phoneImage } from "../support/missing_phone.ts";
import { Guest } from "../support/phone_console.ts";
import { HostProcess } from "../support/relay.ts";
import { bootPhone } from "../support/rig.ts";
import { describeSoak, soakGuest } from "../support/unplug_soak.ts";

/** In every run of the tests; `deno task soak` pulls as often as wanted. */
const PULLS = 8;
const ABSENT_MS = 60_000;
const { path: IMAGE, options } = phoneImage("guest-arm64.erofs");

test(
  `a cable pulled ${PULLS} times with 16 reads under way costs no read`,
  options,
  async (context) => {
    const figures = await soakGuest(IMAGE, PULLS);
    context.diagnostic(describeSoak(figures));
    assert.equal(figures.outstanding.length, PULLS);
    assert.deepEqual(new Set(figures.outstanding), new Set([16]));
    assert.ok(figures.plugs > PULLS);
  },
);

test(
  "a phone waits for a host that is absent, and for one that was killed",
  options,
  async () => {
    const image = IMAGE;
    const phone = await bootPhone({ image });
    const { machine } = phone;
    let host: HostProcess | undefined;
    try {
      await machine.console.waitFor(/waiting for the host/, {
        timeoutMs: 120_000,
      });
      await new Promise((resolve) => setTimeout(resolve, ABSENT_MS));
      assert.doesNotMatch(machine.console.text, /Kernel panic|guest: ready/);

      host = await HostProcess.start(machine, image);
      const guest = new Guest(machine);
      await guest.ready();
      // far more than one host gets to serve before it is killed
      const whole = guest.start("& readers 16 600 /data/pattern 256");
      for (let kills = 0; kills < 3; kills++) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        await host.kill();
        host = await HostProcess.start(machine, image);
        await host.printed(/^started$/m);
      }
      const facts = Guest.facts(
        await guest.ended("readers", whole, 180_000),
        "readers",
      );
      assert.deepEqual(
        ["reads", "wrong", "errors"].map((name) => facts.get(name)),
        ["600", "0", "0"],
      );
    } catch (error) {
      console.error(machine.console.text.slice(-5000));
      throw error;
    } finally {
      await host?.kill();
      await phone.stop();
    }
  },
);
