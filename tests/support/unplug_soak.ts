/**
 * Pulls the cable of phones again and again, with reads under way.
 *
 * @module
 */

import { withReadAhead } from "../../src/block/read_ahead.ts";
import { PatternReader } from "./pattern_reader.ts";
import { Guest } from "./phone_console.ts";
import { HeldReader, PhoneHost } from "./phone_host.ts";
import { bootPhone } from "./rig.ts";

const MIB = 1 << 20;
/** As many as a block device of stage0 has under way at most. */
const DEPTH = 16;
/** Reads of one load of the guest. */
const LOAD = 160;

/**
 * A service of systemd that reads directly, 16 reads at a time, in bursts from the start of the boot:
 * words for the kernel's command line, the image stays as it is.
 */
export const BURSTS: string = serviceWords(
  "bursts",
  `[Unit]
DefaultDependencies=no
[Service]
Nice=10
ExecStart=sh -c 'while :;do for i in $$(seq ${DEPTH});do dd if=/dev/ublkb0 of=/dev/null bs=4k count=8 skip=$$\{i}00 iflag=direct status=none& done;wait;sleep 1;done'
`,
);

/** See systemd.unit(5), "systemd.extra-unit.*", and kernel-command-line(7). */
function serviceWords(name: string, unit: string): string {
  return `systemd.set_credential_binary=systemd.extra-unit.${name}.service:${
    btoa(unit)
  } systemd.wants=${name}.service`;
}

/** What came of it. */
export interface SoakFigures {
  /** Reads that were under way at each pull. */
  readonly outstanding: number[];
  /** Connections that were made. */
  plugs: number;
  /** Requests that the host answered. */
  answered: number;
  /** Reads of the guest, each compared with what it should be. */
  compared: number;
  seconds: number;
}

/** Figures in one line. */
export function describeSoak(figures: SoakFigures): string {
  const { outstanding, plugs, answered, compared, seconds } = figures;
  const counts = new Map<number, number>();
  for (const n of outstanding.toSorted((a, b) => b - a)) {
    counts.set(n, (counts.get(n) ?? 0) + 1);
  }
  const spread = [...counts].map(([n, times]) => `${n} (${times} times)`);
  return [
    outstanding.length === 0
      ? "no pulls"
      : `${outstanding.length} pulls with ${spread.join(", ")} reads under way`,
    `${plugs} connections`,
    `${answered} requests answered`,
    ...compared === 0 ? [] : [`${compared} reads compared`],
    `${seconds.toFixed(0)} s`,
  ].join(", ");
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Holds reads back until as many as wanted are under way, or the time is over; then pulls the cable,
 * plugs it in again after up to 0.3 s, and lets the reads go.
 *
 * @param options.fewer Pulls also when there were fewer at the end of the time.
 * @returns How many were under way; undefined when it did not pull.
 */
async function pull(
  host: PhoneHost,
  reader: HeldReader,
  options: { wanted: number; limitMs: number; fewer: boolean },
): Promise<number | undefined> {
  const { wanted, limitMs, fewer } = options;
  const deadline = Date.now() + limitMs;
  reader.hold();
  while (reader.outstanding < wanted && Date.now() < deadline) await sleep(5);
  const { outstanding } = reader;
  if (outstanding < wanted && !fewer) return void reader.release();
  host.unplug(Math.random() * 300);
  await sleep(5);
  reader.release();
  return outstanding;
}

/**
 * Boots the test guest, lets 16 threads read directly, and pulls the cable with 16 reads under way.
 *
 * @throws {Error} when a read was wrong, failed, or never ended
 */
export async function soakGuest(
  image: string,
  pulls: number,
): Promise<SoakFigures> {
  const start = Date.now();
  const phone = await bootPhone({
    image,
    timeoutMs: 60_000 + pulls * 20_000,
  });
  const root = new HeldReader(phone.reader);
  const disk = new HeldReader(new PatternReader(256 * MIB));
  const host = new PhoneHost(phone.machine, [
    { reader: root, blockSize: 4096 },
    { reader: disk, blockSize: 4096 },
  ]);
  const figures = emptyFigures();
  try {
    const guest = new Guest(phone.machine);
    // once while the root is mounted
    await phone.machine.console.waitFor(/the host is there/, {
      timeoutMs: 60_000,
    });
    await pull(host, root, { wanted: 1, limitMs: 1000, fewer: true });
    await guest.ready();
    while (figures.outstanding.length < pulls) {
      await runLoad(guest, async () => {
        if (figures.outstanding.length >= pulls) return;
        await sleep(Math.random() * 500);
        const pulled = await pull(host, disk, {
          wanted: DEPTH,
          limitMs: 5000,
          fewer: false,
        });
        if (pulled !== undefined) figures.outstanding.push(pulled);
      });
      figures.compared += LOAD;
    }
    return finish(figures, host, start);
  } catch (error) {
    console.error(phone.machine.console.text.slice(-5000));
    console.error(host.events.slice(-20));
    throw error;
  } finally {
    await host.stop();
    await phone.stop();
  }
}

/** Runs the readers to their end, and `disturb` again and again meanwhile. */
async function runLoad(guest: Guest, disturb: () => Promise<void>) {
  let ended = false;
  const start = guest.start(`& readers ${DEPTH} ${LOAD} /dev/ublkb1`);
  const end = guest.ended("readers", start, 180_000).finally(() =>
    ended = true
  );
  while (!ended) await Promise.race([disturb().then(() => sleep(50)), end]);
  const facts = Guest.facts(await end, "readers");
  const found = ["reads", "wrong", "errors"].map((name) => facts.get(name));
  if (found.join() !== `${LOAD},0,0`) {
    throw new Error(`Reads, wrong ones, failed ones: ${found.join()}`);
  }
}

/** A host for a phone whose cable is pulled now and then until it is told to stop. */
export class ShakenHost {
  readonly host: PhoneHost;
  readonly figures = emptyFigures();
  readonly #reader: HeldReader;
  readonly #start = Date.now();
  #stopped = false;
  #done: Promise<void>;

  /** @param pulls At most so many, one every `everyMs` at an average. */
  constructor(
    phone: Awaited<ReturnType<typeof bootPhone>>,
    pulls: number,
    everyMs: number,
  ) {
    this.#reader = new HeldReader(withReadAhead(phone.reader));
    this.host = new PhoneHost(phone.machine, [
      { reader: this.#reader, blockSize: 4096 },
    ]);
    this.#done = this.#shake(pulls, everyMs);
  }

  /** The cable stays where it is from now on. */
  async calm(): Promise<SoakFigures> {
    this.#stopped = true;
    await this.#done;
    return finish(this.figures, this.host, this.#start);
  }

  async #shake(pulls: number, everyMs: number): Promise<void> {
    while (this.host.answered === 0 && !this.#stopped) await sleep(20);
    while (this.figures.outstanding.length < pulls) {
      await sleep(Math.random() * 2 * everyMs);
      if (this.#stopped) return;
      const pulled = await pull(this.host, this.#reader, {
        wanted: DEPTH,
        limitMs: 3000,
        // the bursts begin some time after the boot
        fewer: Math.random() < 0.3,
      });
      if (pulled !== undefined) this.figures.outstanding.push(pulled);
    }
  }
}

function emptyFigures(): SoakFigures {
  return { outstanding: [], plugs: 0, answered: 0, compared: 0, seconds: 0 };
}

function finish(
  figures: SoakFigures,
  host: PhoneHost,
  start: number,
): SoakFigures {
  figures.plugs = host.plugs;
  figures.answered = host.answered;
  figures.seconds = (Date.now() - start) / 1000;
  return figures;
}
