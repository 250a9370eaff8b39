/**
 * fastboop live-boots an unmodified Linux distribution image on a phone and writes nothing to it.
 *
 * Importing this module does nothing but define.
 *
 * @module
 */

export * from "./src/errors.ts";
export type * from "./src/block/reader.ts";
export type * from "./src/fs/filesystem.ts";
