/**
 * The commands that boot nothing.
 *
 * @module
 */

import { Argument, Command as Program } from "@commander-js/extra-typings";
import { type Command, UsageError } from "./command.ts";
import { SHELLS } from "./completion.ts";

/** The argument of most commands. */
export const IMAGE = ["<IMAGE>", "distribution image: a file"] as const;

/** Commands that look into an image. */
export function imageCommands(take: (command: Command) => void) {
  const inspect = new Program("inspect")
    .summary(
      "tell what an image holds: file system, kernels, device trees",
    )
    .description(
      "Tells the file system of IMAGE, its features and block size, the kernel releases it brings and how many device trees.",
    )
    .argument(...IMAGE, (text) => word("IMAGE", text))
    .option("--json", "one JSON object instead of text")
    .action((image, { json = false }) =>
      take({ kind: "inspect", image, json })
    );
  const ls = new Program("ls")
    .summary("list a directory inside an image")
    .description(
      "Lists PATH inside IMAGE, one name a line in the image's own order. Links are followed inside the image: an absolute one starts at the image's root.",
    )
    .argument(...IMAGE, (text) => word("IMAGE", text))
    .argument("[PATH]", "where; / by default", (text) => word("PATH", text))
    .option(
      "-l, --long",
      "type and mode, links, owner, group, size, time, name, link target",
    )
    .option("-R, --recursive", "everything below PATH, by full path")
    .action((image, path, { long = false, recursive = false }) =>
      take({ kind: "ls", image, path: path ?? "/", long, recursive })
    );
  const cat = new Program("cat")
    .summary("print a file inside an image")
    .description(
      "Writes the file at PATH inside IMAGE to standard output, byte for byte.",
    )
    .argument(...IMAGE, (text) => word("IMAGE", text))
    .argument("<PATH>", "a file inside it", (text) => word("PATH", text))
    .action((image, path) => take({ kind: "cat", image, path }));
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
  return [devpro, udev, completion, version];
}

/** A word that says something. */
export function word(name: string, text: string): string {
  if (text !== "") return text;
  throw new UsageError(`Empty ${name}`);
}
