/**
 * `fastboop boot`: phones are booted, and served until they are done with.
 *
 * @module
 */

import { runBoot } from "../../boot/run/run.ts";
import { openUsb } from "../node/usb.ts";
import { bootPlan, chosenProfiles, openBootSource } from "./boot_source.ts";
import { bootQuestions } from "./choose.ts";
import type { BootCommand } from "./command.ts";
import { AlreadyTold, type Output } from "./output.ts";
import { withView } from "./view/with_view.ts";

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
  await withView(command, output, signal, async ({ view, signal }) => {
    // first: fetching the image may take long, and would be for nothing
    const { usb, portOf } = await openUsb(command.usb, {
      onProblem: (error) => view.note(messageOf(error), "warning"),
    });
    const image = await openBootSource(command.image, output, signal);
    try {
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
          ...bootQuestions(output, () => view.pause(), signal),
        },
        { usb, portOf },
        { signal },
      );
      let ok = false;
      for await (const event of events) {
        view.show(event);
        if (event.type === "done") ok = event.ok;
      }
      if (!ok) throw new AlreadyTold("Not every phone was booted");
    } finally {
      await image.close();
    }
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
