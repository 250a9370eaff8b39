import assert from "node:assert/strict";
import test from "node:test";
import { ConsoleLines, PlainText } from "./console_lines.ts";

test("ConsoleLines gives lines as they end, and a prompt at the end", () => {
  const lines: string[] = [];
  const console = new ConsoleLines((line) => lines.push(line));
  console.push("[ 0.1] Lin");
  assert.deepEqual(lines, []);
  console.push("ux\r\n\r\nWelcome\nlogin: ");
  assert.deepEqual(lines, ["[ 0.1] Linux", "", "Welcome"]);
  console.end();
  assert.deepEqual(lines.slice(3), ["login:"]);
  console.end();
  assert.equal(lines.length, 4);
});

test("ConsoleLines leaves out what colours text and moves the cursor", () => {
  const lines: string[] = [];
  const console = new ConsoleLines((line) => lines.push(line));
  console.push("\x1b[0;32m  OK  \x1b[0m] \x1b]104\x07\x1b[?25lStarted\x1b[K\n");
  assert.deepEqual(lines, ["  OK  ] Started"]);
});

test("PlainText takes sequences out wherever they are cut", () => {
  const text = "Welcome to \x1b[1mDebian\x1b[0m!\x1b]104\x07 login: ";
  for (let i = 0; i <= text.length; i++) {
    const plain = new PlainText();
    const found = plain.push(text.slice(0, i)) + plain.push(text.slice(i));
    assert.equal(found, "Welcome to Debian! login: ", String(i));
  }
});
