/**
 * `fastboop boot`: phones are booted, and served until they are done with.
 *
 * @module
 */

import { runBoot } from "../../boot/run/run.ts";
import { openUsb } from "../node/usb.ts";
import { bootPlan, chosenProfiles, openBootSource } from "./boot_source.ts";
import { bootQuestions } from "./choose.ts";
import type { BootCommand, ViewOptions } from "./command.ts";
import { AlreadyTold, type Output } from "./output.ts";
import { jsonView, liveView, plainView, type View } from "./view/views.ts";

/**
 * Boots phones and tells what happens; rejects when one of them failed, after it was told.
 *
 * @throws {AlreadyTold} when a phone failed
 */
export async function runBootCommand(
  command: BootCommand,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const profiles = await chosenProfiles(command.profile, output, signal);
  const plan = await bootPlan(command, signal);
  const image = await openBootSource(command.image, output, signal);
  const stop = new AbortController();
  const anySignal = AbortSignal.any([signal, stop.signal]);
  const view = makeView(command, output, (error) => stop.abort(error));
  const interrupted = () => tellInterrupt(view);
  signal.addEventListener("abort", interrupted, { once: true });
  try {
    const { usb, portOf } = await openUsb(command.usb, {
      onProblem: (error) => view.note(messageOf(error), "warning"),
    });
    const events = runBoot(
      {
        image: image.source,
        profiles,
        plan: { ...plan, others: image.others },
        phones: {
          serialNumbers: command.serialNumbers,
          ports: command.ports,
          all: command.all,
        },
        resume: command.resume,
        waitMs: command.waitMs,
        gadgetMs: command.gadgetMs,
        goneMs: command.goneMs,
        ...bootQuestions(output, () => view.pause(), anySignal),
      },
      { usb, portOf },
      { signal: anySignal },
    );
    let ok = false;
    for await (const event of events) {
      view.show(event);
      if (event.type === "done") ok = event.ok;
    }
    if (!ok) throw new AlreadyTold("Not every phone was booted");
  } finally {
    signal.removeEventListener("abort", interrupted);
    view.close();
    await image.close();
  }
}

/**
 * The view that fits where it is shown.
 *
 * @param broken Told when nobody reads the events any more.
 */
export function makeView(
  options: ViewOptions,
  { progress, result }: Output,
  broken: (error: unknown) => void,
): View {
  const errors = (text: string) => progress.write(text);
  if (options.json) {
    const encoder = new TextEncoder();
    return jsonView(
      (text) => void result(encoder.encode(text)).catch(broken),
      errors,
    );
  }
  if (!progress.live) return plainView(options, errors);
  return liveView(options, progress, () => performance.now());
}

/** Says that an interrupt was heard. */
export function tellInterrupt(view: View): void {
  view.note(
    "Interrupted: finishing what must not be cut off; Ctrl-C again leaves at once",
    "warning",
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
