/**
 * Pulls the cable of a virtual phone between two messages of USB/IP, never within one.
 *
 * usbip-vudc of Linux 6.12 crashes where a connection ends within the bytes of an OUT transfer: it
 * reports the error with the device of the URB, which it never set (`usbip_recv_xbuff`). No real cable
 * does that to a phone.
 *
 * @module
 */

import type { ByteStream } from "../../src/usb/usbip/stream.ts";

const HEADER = 48, CMD_SUBMIT = 1, OUT = 0;
/** Time for what was sent to arrive before the connection is closed for good. */
const LINGER_MS = 3000;

/** The same stream, whose `close` ends it as soon as the message that is being sent is complete. */
export function cutBetweenUrbs(stream: ByteStream): ByteStream {
  const writer = stream.writable.getWriter();
  const framing = new Framing();
  let cutting = false, busy = false, ended = false;
  const end = async () => {
    if (ended) return;
    ended = true;
    // who leaves within a message leaves the rest of it to us
    await writer.write(framing.rest()).catch(() => {});
    await writer.close().catch(() => {});
    setTimeout(() => stream.close(), LINGER_MS);
  };
  const writable = new WritableStream<Uint8Array>({
    async write(chunk) {
      busy = true;
      const length = framing.advance(chunk, cutting);
      await writer.write(chunk.subarray(0, length));
      busy = false;
      if (!cutting || !framing.between) return;
      await end();
      throw new Error("The cable was pulled");
    },
    close: end,
    abort: end,
  });
  return {
    readable: unstoppable(stream.readable),
    writable,
    close() {
      if (cutting) return;
      cutting = true;
      if (framing.between && !busy) void end();
    },
  };
}

/** The same bytes. Who stops reading does not end the connection, and what comes then is passed over. */
function unstoppable(
  readable: ReadableStream<Uint8Array>,
): ReadableStream<Uint8Array> {
  const reader = readable.getReader();
  const drain = async () => {
    while (!(await reader.read()).done);
  };
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: () => void drain().catch(() => {}),
  }, { highWaterMark: 0 });
}

/** Where in a message of the host the stream is. */
class Framing {
  readonly #header = new Uint8Array(HEADER);
  #filled = 0;
  #body = 0;

  /** Is it between two messages? */
  get between(): boolean {
    return this.#filled === 0 && this.#body === 0;
  }

  /** Bytes that are missing to the end of the message. */
  rest(): Uint8Array {
    if (this.#filled === 0) return new Uint8Array(this.#body);
    // an UNLINK of nothing
    const header = new Uint8Array(HEADER);
    header[3] = 2;
    return header.subarray(this.#filled);
  }

  /** Goes over bytes, up to the end of a message where it should; gives how many that were. */
  advance(chunk: Uint8Array, stop: boolean): number {
    let at = 0;
    while (at < chunk.length && !(stop && at > 0 && this.between)) {
      if (this.#body > 0) {
        const length = Math.min(this.#body, chunk.length - at);
        this.#body -= length;
        at += length;
        continue;
      }
      const part = chunk.subarray(at, at + HEADER - this.#filled);
      this.#header.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < HEADER) break;
      this.#filled = 0;
      const view = new DataView(this.#header.buffer);
      const carries = view.getUint32(0) === CMD_SUBMIT &&
        view.getUint32(12) === OUT;
      if (carries) this.#body = view.getUint32(24);
    }
    return at;
  }
}
