/**
 * Questions to who sits at the terminal.
 *
 * @module
 */

import { phoneText } from "../../boot/run/context.ts";
import type { BootOptions, FoundPhone } from "../../boot/run/options.ts";
import { printable } from "./listing.ts";
import type { Output } from "./output.ts";

/** Asks until a number of the list is given; nothing for none. */
export async function chooseOne(
  question: string,
  choices: readonly string[],
  ask: NonNullable<Output["ask"]>,
  signal: AbortSignal,
): Promise<number | undefined> {
  const list = choices.map((choice, i) => `  ${i + 1}  ${printable(choice)}\n`);
  const text = `${question}\n${list.join("")}Number, or Enter for none: `;
  for (;;) {
    const answer = (await ask(text, signal)).trim();
    if (answer === "") return undefined;
    const number = Number(answer);
    if (/^[0-9]+$/.test(answer) && number >= 1 && number <= choices.length) {
      return number - 1;
    }
  }
}

/** The questions that booting can have; none when nobody is there to answer. */
export function bootQuestions(
  output: Output,
  pause: () => void,
  signal: AbortSignal,
): Pick<BootOptions, "choosePhones" | "chooseProfile"> {
  const { ask } = output;
  if (ask === undefined) return {};
  // several phones may have questions at the same time
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (question: string, choices: readonly string[]) => {
    const next = last.then(() => {
      pause();
      return chooseOne(question, choices, ask, signal);
    });
    last = next.catch(() => {});
    return next;
  };
  return {
    async choosePhones(phones: readonly FoundPhone[]) {
      const all = phones.map(({ device, profiles, running }) => {
        const what = running ? "runs already" : profiles.map(nameOf);
        return `${phoneText(device)}  ${[what].flat().join(" or ")}`;
      });
      const chosen = await inTurn("Which phone is to be booted?", all);
      return chosen === undefined ? [] : [phones[chosen]!.phone];
    },
    async chooseProfile({ device, profiles }: FoundPhone) {
      const chosen = await inTurn(
        `Which phone is ${phoneText(device)}?`,
        profiles.map((one) => `${nameOf(one)}  ${one.id}`),
      );
      return chosen === undefined ? undefined : profiles[chosen]!.id;
    },
  };
}

function nameOf(
  { id, display_name }: { readonly id: string; readonly display_name?: string },
): string {
  return display_name ?? id;
}
