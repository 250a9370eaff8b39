import { ProfileError, type ProfileProblem } from "../errors.ts";
import { findFormProblems, type Finding, showPath } from "./problems.ts";
import type { AndroidBootimgProfile, DeviceProfile } from "./profile.ts";
import { findRuleProblems } from "./rules.ts";
import type { ProfileFile } from "./schema.ts";
import { readSource, type Source } from "./source.ts";

/**
 * Reads a device profile in YAML or JSON.
 *
 * Strict: a key that is unknown at its place is an error at every level, and so is what could not
 * work, such as a device tree that the header has no place for. All problems of the file are in
 * `error.problems`, in the order of the file; the first is in the message. At most 65536 characters.
 *
 * @param name What the message calls the file.
 * @throws {ProfileError} `profile.syntax`, `profile.too-large`, `profile.aliases`,
 * `profile.several-documents`, `profile.duplicate-key`, `profile.unknown-key`,
 * `profile.missing-key`, `profile.wrong-type`, `profile.wrong-value`, `profile.no-comparator`,
 * `profile.several-comparators`, `profile.duplicate-match`, `profile.duplicate-module`,
 * `profile.dtb-lost`, `profile.address-lost`, `profile.address-overflow`, `profile.cmdline-too-long`
 *
 * @example
 * ```ts
 * import { parseProfile } from "./parse.ts";
 *
 * const profile = parseProfile(`
 * id: demo
 * devicetree_name: qcom/demo
 * match:
 *   - fastboot: { vid: 0x18d1, pid: 0xd00d }
 * probe:
 *   - fastboot.getvar: product
 *     equals: demo
 * boot:
 *   fastboot_boot:
 *     android_bootimg:
 *       header_version: 2
 *       page_size: 4096
 *       kernel: { encoding: image.gz }
 * `, "demo.yaml");
 * console.assert(profile.match[0]?.fastboot.vid === 0x18d1);
 * ```
 */
export function parseProfile(text: string, name: string): DeviceProfile {
  const source = readSource(text);
  if ("problems" in source) throw failed(name, source.problems);
  const { data } = source;
  const findings = [...findFormProblems(data), ...findRuleProblems(data)];
  if (findings.length > 0) throw failed(name, place(findings, source));
  return toProfile(data as ProfileFile);
}

/** One problem as a compiler prints it: `file:line:column: key: what is wrong`. */
export function formatProblem(name: string, problem: ProfileProblem): string {
  const { line, column, path, reason } = problem;
  return `${name}:${line}:${column}: ${
    path === "" ? "" : `${path}: `
  }${reason}`;
}

function place(
  findings: readonly Finding[],
  source: Source,
): ProfileProblem[] {
  return findings.map(({ path, at, ...rest }) => ({
    ...rest,
    path: showPath(path),
    ...source.place(path, at),
  })).sort((a, b) => a.line - b.line || a.column - b.column);
}

function failed(
  name: string,
  problems: readonly ProfileProblem[],
): ProfileError {
  const [first] = problems;
  if (first === undefined) throw new RangeError("no problem to tell");
  const { code, line, column, path, reason } = first;
  const more = problems.length - 1;
  const others = more === 0
    ? ""
    : `; and ${more} more problem${more === 1 ? "" : "s"}`;
  return new ProfileError(
    code,
    `Cannot use device profile "${name}", line ${line}, column ${column}${
      path === "" ? "" : `, ${path}`
    }: ${reason}${others}`,
    {
      problems,
      facts: {
        name,
        line,
        column,
        path,
        found: first.found,
        expected: first.expected,
        nearest: first.nearest,
      },
    },
  );
}

/** The profile of a file that has passed every check. */
function toProfile(file: ProfileFile): DeviceProfile {
  const { android_bootimg, bootimg } = file.boot.fastboot_boot;
  return {
    ...file as Omit<DeviceProfile, "boot" | "stage0">,
    boot: {
      fastboot_boot: {
        // absent keys are absent: none of them can be there as `undefined`
        android_bootimg: (android_bootimg ?? bootimg) as AndroidBootimgProfile,
      },
    },
    stage0: { kernel_modules: file.stage0?.kernel_modules ?? [] },
  };
}
