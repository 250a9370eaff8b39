import type { ReadOptions } from "../block/reader.ts";
import type { FileSystem } from "./filesystem.ts";

/** Names in a directory, sorted; none when there is no directory at `path`. */
export async function namesIn(
  files: FileSystem,
  path: string,
  options?: ReadOptions,
): Promise<string[]> {
  if ((await files.find(path, options))?.type !== "directory") return [];
  const found: string[] = [];
  for await (const { name } of files.list(path, options)) found.push(name);
  return found.sort();
}
