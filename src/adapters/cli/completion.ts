/**
 * Completion of commands and options in shells: made from the grammar when it is asked for.
 *
 * @module
 */

/** Shells that there is completion for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** One of them. */
export type Shell = typeof SHELLS[number];

/** What is known of a command. */
export interface CompletedCommand {
  /** Words that lead to it: `devpro list`; empty for the program itself. */
  readonly path: string;
  /** Commands below it. */
  readonly words: readonly Described[];
  /** Options, `--long` and `-s`. */
  readonly options: readonly (Described & { readonly value: boolean })[];
  /** Words that its argument is one of; a file when there are none. */
  readonly choices: readonly string[];
}

interface Described {
  readonly name: string;
  readonly about: string;
}

/** The script for a shell. */
export function completionScript(
  shell: Shell,
  commands: readonly CompletedCommand[],
): string {
  switch (shell) {
    case "bash":
      return bash(commands);
    case "zsh":
      return zsh(commands);
    case "fish":
      return fish(commands);
    default:
      return shell satisfies never;
  }
}

/** Shell code that sets the variable `to` to the words of `words` that are commands. */
function findPath(
  commands: readonly CompletedCommand[],
  words: string,
  to: string,
): string {
  const paths = commands.map(({ path }) => path).filter((path) => path !== "");
  const next = `\${${to}:+$${to} }$word`;
  return `  local ${to}= word
  for word in ${words}; do
    case "${next}" in
      ${paths.map(quoteBlanks).join("|")}) ${to}="${next}" ;;
    esac
  done`;
}

function bash(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(({ path, words, options, choices }) => {
    const names = [
      ...words.map(({ name }) => name),
      ...options.map(({ name }) => name),
      ...choices,
    ];
    return `    "${path}") words="${names.join(" ")}" ;;`;
  });
  return `# bash completion for fastboop
_fastboop() {
${findPath(commands, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"', "path")}
  local words= current="\${COMP_WORDS[COMP_CWORD]}"
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _fastboop fastboop
`;
}

function zsh(commands: readonly CompletedCommand[]): string {
  // "path" is where zsh has programs
  const path = "at";
  const cases = commands.map(({ path, words, options, choices }) => {
    const listed = [
      ...[...words, ...options].map(({ name, about }) =>
        quote(`${name.replaceAll(":", "\\:")}:${about}`)
      ),
      ...choices.map(quote),
    ];
    return `    "${path}") listed=(${listed.join(" ")}) ;;`;
  });
  return `#compdef fastboop
_fastboop() {
${findPath(commands, '"${(@)words[2,CURRENT-1]}"', path)}
  local -a listed
  case "$${path}" in
${cases.join("\n")}
  esac
  _describe fastboop listed
  _files
}
compdef _fastboop fastboop
`;
}

function fish(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ path, words, options, choices }) => {
    const condition = path === ""
      ? "__fish_use_subcommand"
      : path.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`)
        .join("; and ");
    const start = `complete -c fastboop -n ${quote(condition)}`;
    const names = [...words.map(({ name }) => name), ...choices];
    // one of them is enough
    const first = path === "" ? start : `complete -c fastboop -n ${
      quote(
        `${condition}; and not __fish_seen_subcommand_from ${names.join(" ")}`,
      )
    }`;
    return [
      ...words.map(({ name, about }) =>
        `${first} -f -a ${quote(name)} -d ${quote(about)}`
      ),
      ...choices.map((name) => `${first} -f -a ${quote(name)}`),
      ...options.map(({ name, about, value }) => {
        const flag = name.startsWith("--")
          ? `-l ${name.slice(2)}`
          : `-s ${name.slice(1)}`;
        return `${start} ${flag}${value ? " -r" : ""} -d ${quote(about)}`;
      }),
    ];
  });
  return `# fish completion for fastboop\n${lines.join("\n")}\n`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "’")}'`;
}

function quoteBlanks(text: string): string {
  return text.includes(" ") ? `"${text}"` : text;
}
