/**
 * Names of entries, as archives of all kinds have them.
 *
 * @module
 */

/** A name without what says nothing, and what is wrong with it. */
export function cleanName(
  name: string,
): [clean: string, problem: string | undefined] {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  const problem = parts.includes("..")
    ? 'its name leads out of the archive by ".."'
    : name.includes("\0")
    ? "there is a zero in its name"
    : undefined;
  return [parts.join("/") || ".", problem];
}
