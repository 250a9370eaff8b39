/**
 * The options of `fastboop cache`.
 *
 * @module
 */

import { Command as Program } from "@commander-js/extra-typings";
import type { Command } from "./command.ts";
import * as value from "./values.ts";

/** What is done with the cache. */
export type CacheAction =
  | { readonly action: "list"; readonly json: boolean }
  | { readonly action: "prune"; readonly maxBytes: number | undefined }
  | { readonly action: "clear" }
  | { readonly action: "path" };

/** The command; `take` gets what was typed. */
export function cacheGrammar(take: (command: Command) => void) {
  return new Program("cache")
    .usage("list|prune|clear|path …")
    .summary("tell what downloads are kept, remove them")
    .description(
      "What is read over the network, and what can only be read from its start to its end, is kept on disk: the next boot of the same image reads it from there. What was used longest ago goes when there is no room.",
    )
    .addHelpText(
      "after",
      `
Environment:
  FASTBOOP_CACHE      the folder to keep it in, instead of the platform's
  FASTBOOP_CACHE_MAX  the most it may take, such as 10G; by default half of
                      what is free, 32G at most`,
    )
    .addCommand(
      new Program("list")
        .description("tell what is kept, used last first")
        .option("--json", "one JSON object instead of text")
        .action(({ json = false }) =>
          take({ kind: "cache", action: "list", json })
        ),
    )
    .addCommand(
      new Program("prune")
        .description(
          "remove what was used longest ago, until the rest takes no more than it may; what programs use stays",
        )
        .option(
          "--max <SIZE>",
          "the most that may be left, such as 500M or 10G",
          value.once("--max", value.byteSize),
        )
        .action(({ max }) =>
          take({ kind: "cache", action: "prune", maxBytes: max })
        ),
    )
    .addCommand(
      new Program("clear")
        .description("remove all that no program uses")
        .action(() => take({ kind: "cache", action: "clear" })),
    )
    .addCommand(
      new Program("path")
        .description("print the folder")
        .action(() => take({ kind: "cache", action: "path" })),
    )
    .helpCommand(false);
}
