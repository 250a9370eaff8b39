/**
 * Where the chunks of an index are kept when nobody says: the last folder named `indexes` on the way to
 * it becomes `chunks`, and what is below it is left out; without one, it is the index's own folder.
 *
 * @param index Link or path of the index, with slashes; what follows `?` or `#` of a link is left out.
 * @returns Link or path of the store, without a slash at its end; `.` for the folder at hand.
 *
 * @example
 * ```ts
 * import { defaultChunkStore } from "./store_location.ts";
 *
 * console.assert(
 *   defaultChunkStore("https://example.org/indexes/6.12/root.caibx?a=1") ===
 *     "https://example.org/chunks",
 * );
 * console.assert(defaultChunkStore("images/root.caibx") === "images");
 * ```
 */
export function defaultChunkStore(index: string): string {
  const scheme = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(index)?.[0];
  const path = scheme === undefined
    ? index
    : index.slice(scheme.length).replace(/[?#].*$/s, "");
  const folders = path.split("/").slice(0, -1);
  const indexes = folders.lastIndexOf("indexes");
  const store = indexes < 0
    ? folders
    : [...folders.slice(0, indexes), "chunks"];
  const joined = store.join("/");
  if (scheme !== undefined) return `${scheme}${joined}`;
  return joined === "" ? (path.startsWith("/") ? "/" : ".") : joined;
}
