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

/**
 * The same stream, which passes on whole messages only. `close` ends it after the last of them; what
 * was begun is not sent, and nothing of what is sent is that of the caller, who may use it again.
 */
export function cutBetweenUrbs(stream: ByteStream): ByteStream {
  const writer = stream.writable.getWriter();
  const messages = new Messages();
  let cut = false, writing: Promise<void> = Promise.resolve();
  const end = async () => {
    if (cut) return;
    cut = true;
    await writing.catch(() => {});
    await writer.close().catch(() => {});
    setTimeout(() => stream.close(), LINGER_MS);
  };
  const writable = new WritableStream<Uint8Array>({
    async write(chunk) {
      for (const message of messages.take(chunk)) {
        if (cut) throw new Error("The cable was pulled");
        await (writing = writer.write(message));
      }
    },
    close: end,
    abort: end,
  });
  return {
    readable: unstoppable(stream.readable),
    writable,
    close: () => void end(),
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

/** Collects bytes to messages of the host. */
class Messages {
  #message: Uint8Array<ArrayBuffer> = new Uint8Array(HEADER);
  #filled = 0;

  /** The messages that these bytes complete. */
  *take(chunk: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + this.#message.length - this.#filled);
      this.#message.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < this.#message.length) return;
      const body = this.#filled === HEADER ? this.#bodySize() : 0;
      if (body > 0) {
        const whole = new Uint8Array(HEADER + body);
        whole.set(this.#message);
        this.#message = whole;
        continue;
      }
      yield this.#message;
      this.#message = new Uint8Array(HEADER);
      this.#filled = 0;
    }
  }

  #bodySize(): number {
    const view = new DataView(this.#message.buffer);
    return view.getUint32(0) === CMD_SUBMIT && view.getUint32(12) === OUT
      ? view.getUint32(24)
      : 0;
  }
}
