/**
 * The commands that boot nothing.
 *
 * @module
 */

import { Argument, Command as Program } from "@commander-js/extra-typings";
import { cacheGrammar } from "./cache_grammar.ts";
import { type Command, type ImageOptions, UsageError } from "./command.ts";
import { SHELLS } from "./completion.ts";
import * as value from "./values.ts";

/** A command about an image: its argument, and how that is got at. */
export const imageProgram = (name: string) =>
  new Program(name)
    .argument(
      "<IMAGE>",
      "distribution image: a file, a link, or a pipeline document",
      (text) => word("IMAGE", text),
    )
    .optionsGroup("Where the image is:")
    .option(
      "--root <PART>",
      `the partition, entry or file to take where there is a choice: '#2', a label, a path; several`,
      value.several("--root", value.someText),
    )
    .option(
      "--digest <ALGORITHM:HEX>",
      "refuse IMAGE when its sha256 or sha512 is another: files are read whole for that, links as far as they are fetched whole",
      value.once("--digest", value.digest),
    )
    .option(
      "--spool",
      "fetch all of a link first: for servers without ranges, or to check its digest",
    )
    .option(
      "--header <NAME: VALUE>",
      "send this header to the origin of the link, or of the first link that a pipeline in a file leads to, and to no other; several",
      value.several("--header", value.header),
    )
    .option(
      "--proxy <URL>",
      "fetch through this proxy, http://HOST:PORT",
      value.once("--proxy", value.proxy),
    )
    .option("--no-cache", "keep nothing of what is fetched for the next time")
    .option("--offline", "take what was kept of the link, and ask nobody");

type ImageFlags = ReturnType<ReturnType<typeof imageProgram>["opts"]>;

/** What was said about the image. */
export function imageOf(path: string, flags: ImageFlags): ImageOptions {
  if (flags.offline && !flags.cache) {
    throw new UsageError(
      "Cannot use --offline with --no-cache: nothing would be left to read",
    );
  }
  return {
    path,
    roots: flags.root ?? [],
    digest: flags.digest,
    headers: flags.header ?? [],
    proxy: flags.proxy,
    spool: flags.spool === true,
    cache: flags.cache,
    offline: flags.offline === true,
  };
}

/** Commands that look into an image. */
export function imageCommands(take: (command: Command) => void) {
  const inspect = imageProgram("inspect")
    .summary(
      "tell what an image holds: layers, file system, kernels, device trees",
    )
    .description(
      "Tells what IMAGE is, from the outermost layer to the root file system in it, the kernel releases it brings and how many device trees, what would boot, and what was passed over and why.",
    )
    .optionsGroup("What is told:")
    .option("--json", "one JSON object instead of text")
    .action((image, flags) =>
      take({
        kind: "inspect",
        image: imageOf(image, flags),
        json: flags.json === true,
      })
    );
  const ls = imageProgram("ls")
    .summary("list a directory inside an image")
    .description(
      "Lists PATH inside IMAGE, one name a line in the image's own order. Links are followed inside the image: an absolute one starts at the image's root.",
    )
    .argument("[PATH]", "where; / by default", (text) => word("PATH", text))
    .optionsGroup("What is told:")
    .option(
      "-l, --long",
      "type and mode, links, owner, group, size, time, name, link target",
    )
    .option("-R, --recursive", "everything below PATH, by full path")
    .action((image, path, flags) =>
      take({
        kind: "ls",
        image: imageOf(image, flags),
        path: path ?? "/",
        long: flags.long === true,
        recursive: flags.recursive === true,
      })
    );
  const cat = imageProgram("cat")
    .summary("print a file inside an image")
    .description(
      "Writes the file at PATH inside IMAGE to standard output, byte for byte.",
    )
    .argument("<PATH>", "a file inside it", (text) => word("PATH", text))
    .action((image, path, flags) =>
      take({ kind: "cat", image: imageOf(image, flags), path })
    );
  return [inspect, ls, cat];
}

/** Commands about profiles, and about the program itself. */
export function otherCommands(take: (command: Command) => void) {
  const devpro = new Program("devpro")
    .usage("list|show|check …")
    .summary("tell which phones are known, check profiles of others")
    .description(
      "Device profiles say how a phone is recognised, what its bootloader takes, and which kernel modules its USB needs.",
    )
    .addHelpText(
      "after",
      `
Your own profiles, *.yaml, *.yml or *.json, are looked for in these folders and go before those
built in:

  each part of FASTBOOP_SCHEMA_PATH, which are separated by ":"
  $XDG_CONFIG_HOME/fastboop/devpro, by default ~/.config/fastboop/devpro
  /usr/share/fastboop/devpro`,
    );
  devpro.addCommand(
    new Program("list")
      .description("tell all that are known: built in, and your own")
      .option("--json", "JSON instead of text")
      .action(({ json = false }) =>
        take({ kind: "devpro", action: "list", json })
      ),
  ).addCommand(
    new Program("show")
      .description("print one as a file to start from")
      .argument("<ID>", "of a profile", (text) => word("ID", text))
      .option("--json", "JSON instead of text")
      .action((id, { json = false }) =>
        take({ kind: "devpro", action: "show", id, json })
      ),
  ).addCommand(
    new Program("check")
      .description(
        "read files and tell all that is wrong in them, with line and column",
      )
      .argument("<FILE...>", "device profiles")
      .action((files) => take({ kind: "devpro", action: "check", files })),
  ).helpCommand(false);
  const udev = new Program("udev")
    .summary("print the rules that let you use phones on Linux")
    .description(
      "Prints a file of udev rules for all device profiles, your own included. What to do with it stands in its first lines.",
    )
    .action(() => take({ kind: "udev" }));
  const completion = new Program("completion")
    .summary("print what completes commands in your shell")
    .description(
      `Prints a script that makes your shell complete commands and options:

  bash: fastboop completion bash > ~/.local/share/bash-completion/completions/fastboop
  zsh:  fastboop completion zsh > a folder of $fpath, as _fastboop
  fish: fastboop completion fish > ~/.config/fish/completions/fastboop.fish`,
    )
    .addArgument(new Argument("<SHELL>", "your shell").choices(SHELLS))
    .action((shell) => take({ kind: "completion", shell }));
  const version = new Program("version")
    .summary("print the version")
    .description("Prints the version.")
    .action(() => take({ kind: "version" }));
  return [devpro, cacheGrammar(take), udev, completion, version];
}

/** A word that says something. */
export function word(name: string, text: string): string {
  if (text !== "") return text;
  throw new UsageError(`Empty ${name}`);
}
