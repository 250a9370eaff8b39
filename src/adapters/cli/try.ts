/**
 * `fastboop try`: a virtual phone is booted from an image until it asks for a login.
 *
 * @module
 */

import type { BootEvent } from "../../boot/run/events.ts";
import { openMeantDeployment } from "../../boot/ostree.ts";
import { runBoot } from "../../boot/run/run.ts";
import type { FileSystem } from "../../fs/filesystem.ts";
import { PhoneConsole } from "../../phone/console.ts";
import { PHONE_MODELS } from "../../phone/models.ts";
import { openUsb } from "../node/usb.ts";
import { checkMachine } from "../node/qemu.ts";
import { type RunningPhone, startPhone } from "../node/virtual_phone.ts";
import {
  bootPlan,
  chosenProfiles,
  openBootSource,
  type OpenedBootSource,
} from "./boot_source.ts";
import { type TryCommand, UsageError } from "./command.ts";
import { ConsoleLines, PlainText } from "./console_lines.ts";
import { AlreadyTold, type Output } from "./output.ts";
import { formatDuration } from "./view/format.ts";
import type { View } from "./view/views.ts";
import { type Viewed, withView } from "./view/with_view.ts";

type Model = keyof typeof PHONE_MODELS;

/** What agetty and its likes ask. */
const LOGIN_PROMPT = /^\S+ login: /m;
/** What a machine may take to end once time is up. */
const GRACE_MS = 10_000;
/** Of an ELF header: which machine it is for. */
const ELF_MACHINE_AT = 18, EM_X86_64 = 62;
/** Where an image has the program that it starts first. */
const INITS = ["/sbin/init", "/usr/lib/systemd/systemd", "/bin/busybox"];

/** The image did not get as far as it should. */
export class TryError extends Error {
  /** Name of the class, as in the stack. */
  override readonly name = "TryError";
}

/**
 * Boots a virtual phone and waits for what its console is to show; ends it in any case.
 *
 * @throws {TryError} when it takes too long, or the machine ended
 * @throws {AlreadyTold} when booting failed
 */
export async function runTry(
  command: TryCommand,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  await withView(command, output, signal, async (viewed) => {
    const image = await openBootSource(command.image, output, signal);
    try {
      await tryImage(command, image, output, viewed, signal);
    } finally {
      await image.close();
    }
  });
}

/** @param interrupt Ends it, too, and is no failure. */
async function tryImage(
  command: TryCommand,
  image: OpenedBootSource,
  output: Output,
  { view, signal, stop, began }: Viewed,
  interrupt: AbortSignal,
): Promise<void> {
  const { files } = image.source;
  const timer = setTimeout(() => {
    stop(new TryError(`in ${formatDuration(command.timeoutMs)}`));
  }, command.timeoutMs);
  const watch = watchConsole(command, view, stop);
  let phone: RunningPhone | undefined;
  try {
    const model = await modelFor(command, files, interrupt);
    const { product, machine } = PHONE_MODELS[model];
    await checkMachine(machine);
    const profiles = await chosenProfiles(product, output, interrupt);
    const plan = await bootPlan(command, interrupt);
    phone = await startPhone({
      model,
      memoryMiB: command.memoryMiB,
      timeoutMs: command.timeoutMs + GRACE_MS,
      onConsole: (text) => watch.push(text),
    });
    // a machine that could not be started, where no phone would come back
    phone.done.catch(stop);
    const { usb, portOf } = await openUsb(phone.usbIpUrl);
    const events = runBoot(
      {
        image: image.source,
        profiles,
        plan: { ...plan, others: image.others },
        waitMs: command.timeoutMs,
      },
      { usb, portOf },
      { signal },
    );
    await showUntilEnd(events, command, view);
    throw new TryError("before the virtual phone ended");
  } catch (error) {
    interrupt.throwIfAborted();
    watch.end();
    if (watch.found === undefined) {
      if (!(error instanceof TryError)) throw error;
      throw notShown(command, error, watch.console);
    }
    view.note(
      `The console shows "${watch.found.trim()}" after ${
        formatDuration(performance.now() - began)
      }`,
      "good",
    );
  } finally {
    clearTimeout(timer);
    await phone?.stop();
  }
}

async function showUntilEnd(
  events: AsyncIterable<BootEvent>,
  { console, json }: TryCommand,
  view: View,
): Promise<void> {
  let failed = false;
  for await (const event of events) {
    const skip =
      // what is to be done with a phone that stands still is not for one that is thrown away
      event.type === "finished" ||
      // stage0 says the same on the console
      event.type === "device-log" && console;
    if (json || !skip) view.show(event);
    failed ||= event.type === "failed";
  }
  if (failed) throw new AlreadyTold("Booting failed");
}

/** Looks for the text on the console, and ends everything when it is there. */
function watchConsole(
  { until, console: shown }: TryCommand,
  view: View,
  stop: Viewed["stop"],
) {
  const console = new PhoneConsole();
  // systemd paints the middle of its words
  const plain = new PlainText();
  const lines = new ConsoleLines((line) => view.console(line));
  const pattern = until === undefined
    ? LOGIN_PROMPT
    : new RegExp(until.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  const watch = {
    console,
    found: undefined as string | undefined,
    push(text: string) {
      if (shown) lines.push(text);
      console.push(plain.push(text));
    },
    end() {
      if (shown) lines.end();
    },
  };
  console.waitFor(pattern).then(([text]) => {
    watch.found = text;
    stop(new TryError("shown"));
  }, () => {});
  return watch;
}

function notShown(
  { until, console: shown }: TryCommand,
  { message }: TryError,
  console: PhoneConsole,
): TryError {
  const what = until === undefined ? "a login prompt" : `"${until}"`;
  const lines = shown ? "" : `; its last lines:\n  ${console.lastLines}`;
  return new TryError(
    `Cannot see ${what} on the phone's console ${message}${lines}`,
  );
}

/** The kind of phone that is meant: by its profile, else by the programs in the image. */
export async function modelFor(
  { profile, ostree }: Pick<TryCommand, "profile" | "ostree">,
  files: FileSystem,
  signal: AbortSignal,
): Promise<Model> {
  const models = Object.keys(PHONE_MODELS) as Model[];
  if (profile === undefined) {
    const deployment = await openMeantDeployment(files, ostree, { signal });
    const isX86 = await isRootForX86(deployment?.files ?? files, signal);
    return isX86 ? "x86_64" : "arm64";
  }
  const model = models.find((one) => PHONE_MODELS[one].product === profile);
  if (model !== undefined) return model;
  const known = models.map((one) => PHONE_MODELS[one].product);
  throw new UsageError(
    `Cannot try "${profile}", expected a virtual phone: ${known.join(" or ")}`,
    "try",
  );
}

async function isRootForX86(
  files: FileSystem,
  signal: AbortSignal,
): Promise<boolean> {
  for (const path of INITS) {
    try {
      const header = new Uint8Array(ELF_MACHINE_AT + 2);
      const file = await files.open(path, { signal });
      await file.read(0, header, { signal });
      const machine = new DataView(header.buffer)
        .getUint16(ELF_MACHINE_AT, true);
      return String.fromCharCode(...header.subarray(1, 4)) === "ELF" &&
        machine === EM_X86_64;
    } catch {
      signal.throwIfAborted();
      // not there: the next one; what is wrong with the image is told when it is booted
    }
  }
  return false;
}
