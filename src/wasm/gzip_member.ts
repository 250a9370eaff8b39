/**
 * One member of gzip data, where something else may follow it.
 *
 * @module
 */
import {
  type Bytes,
  checkSize,
  codecCore,
  failure,
  withMemory,
} from "./call.ts";
import { PROGRESS_SIZE, Status, Wrapper } from "./exports.ts";

/** What a gzip member holds, and where it ends. */
export interface GzipMember {
  /** Decompressed. */
  readonly content: Bytes;
  /** Bytes of the member, from its header to its trailer. */
  readonly size: number;
}

/** One DEFLATE stream cannot make more of a byte: 258 bytes from two codes of a bit each. */
const MAX_RATIO = 1032;
const FIRST_OUTPUT = 1 << 20;

/**
 * Decompresses the one gzip member that `data` begins with and says where it ends; what follows is not
 * looked at. Linear memory: the data plus at most twice the member's content.
 *
 * @param options.maxSize Bytes of output at which it fails.
 * @throws {FormatError} `gzip.damaged`, `gzip.truncated`, `gzip.checksum-mismatch`,
 * `gzip.unsupported`, `gzip.output-limit`
 * @see RFC 1952
 */
export async function gunzipMember(
  data: Uint8Array,
  options: { readonly maxSize: number },
): Promise<GzipMember> {
  const { maxSize } = options;
  checkSize("maxSize", maxSize);
  const most = Math.min(maxSize, data.length * MAX_RATIO);
  const core = await codecCore(data.length + Math.min(most, data.length * 4));
  return withMemory(core, (memory) => {
    const progress = memory.take(PROGRESS_SIZE);
    const input = memory.put(data);
    let space = Math.min(most, Math.max(FIRST_OUTPUT, data.length * 4));
    for (;;) {
      const output = memory.take(space);
      const status = core.exports.fb_inflate_whole(
        Wrapper.GZIP,
        input,
        data.length,
        output,
        space,
        progress,
      );
      if (status === Status.OUTPUT_LIMIT && space < most) {
        memory.drop(output);
        space = Math.min(most, space * 2);
        continue;
      }
      if (status !== Status.OK) {
        throw failure({ format: "gzip", status, maxSize });
      }
      const [size = 0, produced = 0] = new Uint32Array(
        core.memory.buffer,
        progress,
        2,
      );
      return { content: core.view(output, produced).slice(), size };
    }
  });
}
