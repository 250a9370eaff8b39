import type { Topic } from "./args.ts";

const OVERVIEW =
  `fastboop reads Linux distribution images; it writes nothing anywhere.

Usage: fastboop COMMAND [OPTIONS] …

Commands:
  ls IMAGE [PATH]       list a directory inside an image
  cat IMAGE PATH        print a file inside an image
  inspect IMAGE         tell what an image holds: file system, kernels, device trees
  devpro ACTION …       tell which phones are known, check profiles of others
  help [COMMAND]        tell more about a command

Options:
  -h, --help            print this, or the help of a command
  -V, --version         print the version

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
`;

const TEXTS: Readonly<Record<Topic, string>> = {
  ls: `Usage: fastboop ls [-l] [-R] IMAGE [PATH]

Lists PATH, by default /, inside IMAGE, one name a line in the image's own order.
Links are followed inside the image: an absolute one starts at the image's root.

  -l, --long            type and mode, links, owner, group, size, time, name, link target
  -R, --recursive       everything below PATH, by full path
`,
  cat: `Usage: fastboop cat IMAGE PATH

Writes the file at PATH inside IMAGE to standard output, byte for byte.
`,
  inspect: `Usage: fastboop inspect [--json] IMAGE

Tells the file system of IMAGE, its features and block size, the kernel releases it brings and how
many device trees.

  --json                one JSON object instead of text
`,
  devpro: `Usage: fastboop devpro list [--json]
       fastboop devpro show [--json] ID
       fastboop devpro check FILE…

Device profiles say how a phone is recognised, what its bootloader takes, and which kernel modules
its USB needs. list tells all that are known: built in, and your own. show prints one as a file to
start from. check reads files and tells all that is wrong in them, with line and column.

  --json                JSON instead of text

Your own profiles, *.yaml, *.yml or *.json, are looked for in these folders and go before those
built in:

  each part of FASTBOOP_SCHEMA_PATH, which are separated by ":"
  $XDG_CONFIG_HOME/fastboop/devpro, by default ~/.config/fastboop/devpro
  /usr/share/fastboop/devpro
`,
};

/** Help for a command, or the overview. */
export function helpText(topic?: Topic): string {
  return topic === undefined ? OVERVIEW : TEXTS[topic];
}
