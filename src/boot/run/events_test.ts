import assert from "node:assert/strict";
import { test } from "node:test";
import { UsbError } from "../../usb/errors.ts";
import { errorData } from "./error_data.ts";
import { toJson, toJsonLine } from "./events.ts";

test("toJsonLine() gives type, time and phone first, and leaves out what holds nothing", () => {
  assert.equal(
    toJsonLine({
      phone: "0123",
      ms: 12.6,
      type: "device-log",
      level: 6,
      seconds: undefined,
      text: 'a "line"',
    }),
    '{"type":"device-log","ms":13,"phone":"0123","level":6,"text":"a \\"line\\""}\n',
  );
});

test("toJson() keeps errors with their facts and causes", () => {
  const cause = new UsbError("usb.disconnected", "The cable was pulled", {
    facts: { offset: 2n ** 60n, errno: undefined },
  });
  const error = new UsbError("usb.transfer-failed", "Cannot send", { cause });
  assert.deepEqual(
    toJson({ type: "failed", ms: 0, booted: false, ...errorData(error) }),
    {
      type: "failed",
      ms: 0,
      booted: false,
      code: "usb.transfer-failed",
      message: "Cannot send",
      facts: {},
      cause: {
        code: "usb.disconnected",
        message: "The cable was pulled",
        facts: { offset: "1152921504606846976" },
      },
    },
  );
});

test("errorData() takes whatever was thrown, and ends with errors that cause themselves", () => {
  assert.deepEqual(errorData("words"), {
    code: "error.unexpected",
    message: "words",
    facts: {},
  });
  const loop = new Error("again");
  loop.cause = loop;
  let depth = 0;
  for (let at = errorData(loop).cause; at !== undefined; at = at.cause) depth++;
  assert.equal(depth, 7);
});
