import assert from "node:assert/strict";
import { test } from "node:test";
import type { FoundPhone } from "../../boot/run/options.ts";
import { bootQuestions, chooseOne } from "./choose.ts";
import type { Output } from "./output.ts";

type Ask = NonNullable<Output["ask"]>;

const NEVER = new AbortController().signal;

/** Gives answers in their order, and keeps the questions. */
function asking(...answers: string[]) {
  const questions: string[] = [];
  const ask: Ask = (question) => {
    questions.push(question);
    return Promise.resolve(answers.shift() ?? assert.fail("asked once more"));
  };
  return { ask, questions };
}

function phone(serialNumber: string, ...ids: string[]): FoundPhone {
  return {
    phone: serialNumber,
    device: {
      vendorId: 0x18d1,
      productId: 0xd00d,
      serialNumber,
      port: "1-2",
    },
    profiles: ids.map((id) => ({
      id,
      display_name: `Phone ${id}`,
    } as FoundPhone["profiles"][number])),
    running: ids.length === 0,
  };
}

function questionsOf(ask: Ask | undefined, signal = NEVER) {
  let pauses = 0;
  const output = { ask } as Output;
  return {
    ...bootQuestions(output, () => void pauses++, signal),
    pauses: () => pauses,
  };
}

test("chooseOne() lists what there is, and asks until it is one of it", async () => {
  const wrong = ["0", "3", "x", "1.5", "-1", " 2 "];
  const { ask, questions } = asking(...wrong);
  const chosen = await chooseOne("Which?", ["a", "b\x1b[2J"], ask, NEVER);
  assert.equal(chosen, 1);
  assert.equal(questions.length, wrong.length);
  const [question] = questions;
  assert.match(
    question!,
    /^Which\?\n {2}1 {2}a\n {2}2 {2}b.+\nNumber, or Enter for none: $/,
  );
  assert.ok(!question!.includes("\x1b"), "what would clear the screen");
});

test("chooseOne() takes Enter for none", async () => {
  const { ask } = asking("  ");
  assert.equal(await chooseOne("Which?", ["a"], ask, NEVER), undefined);
});

test("bootQuestions() has none when nobody is there to answer", () => {
  const { choosePhones, chooseProfile } = questionsOf(undefined);
  assert.equal(choosePhones, undefined);
  assert.equal(chooseProfile, undefined);
});

test("bootQuestions() asks for a phone by serial number, port and profiles", async () => {
  const { ask, questions } = asking("2", "");
  const { choosePhones, pauses } = questionsOf(ask);
  const phones = [phone("0123", "one", "two"), phone("4567")];
  assert.deepEqual(await choosePhones!(phones), ["4567"]);
  assert.deepEqual(await choosePhones!(phones), []);
  assert.equal(pauses(), 2, "the terminal is given back for each");
  assert.match(
    questions[0]!,
    /^ {2}1 {2}18d1:d00d "0123" at 1-2 {2}Phone one or Phone two\n {2}2 {2}18d1:d00d "4567" at 1-2 {2}runs already$/m,
  );
});

test("bootQuestions() asks for the profile of a phone", async () => {
  const { ask, questions } = asking("2", "");
  const { chooseProfile } = questionsOf(ask);
  const found = phone("0123", "one", "two");
  assert.equal(await chooseProfile!(found), "two");
  assert.equal(await chooseProfile!(found), undefined);
  assert.match(
    questions[0]!,
    /^Which phone is 18d1:d00d "0123" at 1-2\?\n {2}1 {2}Phone one {2}one\n/,
  );
});

test("bootQuestions() asks one question at a time, also after one that failed", async () => {
  const open: { resolve: (text: string) => void; reject: () => void }[] = [];
  const ask: Ask = () =>
    new Promise((resolve, reject) => {
      open.push({ resolve, reject: () => reject(new Error("closed")) });
    });
  const { chooseProfile } = questionsOf(ask);
  const found = phone("0123", "one", "two");
  const [first, second, third] = [1, 2, 3].map(() => chooseProfile!(found));
  const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
  await turn();
  assert.equal(open.length, 1);
  open[0]!.resolve("1");
  assert.equal(await first, "one");
  await turn();
  assert.equal(open.length, 2);
  open[1]!.reject();
  await assert.rejects(second!, /closed/);
  await turn();
  open[2]!.resolve("2");
  assert.equal(await third, "two");
});
