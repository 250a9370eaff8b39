/**
 * The stage0 that is built in.
 *
 * @module
 */

import { decodeBase64 } from "../bytes/base64.ts";
import type { Machine } from "./stage0_binary.ts";

/**
 * The program that becomes `/init` when no other is given. Each is loaded only when it is asked for.
 *
 * @param machine What the kernel runs on.
 */
export async function builtinStage0(
  machine: Machine,
): Promise<Uint8Array<ArrayBuffer>> {
  const { PROGRAM_BASE64 } = machine === "aarch64"
    ? await import("./stage0_aarch64_bytes.ts")
    : await import("./stage0_x86_64_bytes.ts");
  return decodeBase64(PROGRAM_BASE64);
}
