import type { TryCommand } from "./command.ts";
import type { Output } from "./output.ts";
export function runTry(
  _command: TryCommand,
  _output: Output,
  _signal: AbortSignal,
): Promise<void> {
  return Promise.reject(new Error("to come"));
}
