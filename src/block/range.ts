/**
 * What a read touches, checked in one place for every reader.
 *
 * @module
 */

/**
 * Number of bytes that a read of `length` bytes at `offset` can give in `size` bytes.
 *
 * @returns `length`, fewer when the read crosses the end, 0 at or past it.
 * @throws {RangeError} when `offset` is negative, fractional or not a safe integer.
 */
export function clampRead(
  size: number,
  offset: number,
  length: number,
): number {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new RangeError(
      `Cannot read at byte ${offset}: offset must be a safe integer of at least 0`,
    );
  }
  const left = size - offset;
  return left <= 0 ? 0 : left < length ? left : length;
}

/**
 * Gives `value` back when it is a whole number of bytes of at least `least`.
 *
 * @param name How the message calls the option, for example `maxBytes`.
 * @throws {TypeError} when `value` is not a number.
 * @throws {RangeError} when it is negative, fractional, not a safe integer or below `least`.
 */
export function checkCount(name: string, value: number, least = 0): number {
  if (typeof value !== "number") {
    throw new TypeError(
      `Cannot use ${name}: found ${typeof value}, expected a number`,
    );
  }
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(
      `Cannot use ${name}: found ${value}, expected a safe integer of at least ${least}`,
    );
  }
  return value;
}

/**
 * Gives `value` back when it is a power of two that a 32-bit integer can hold.
 *
 * @throws {TypeError} when `value` is not a number.
 * @throws {RangeError} when it is not a power of two up to 2^30.
 */
export function checkPowerOfTwo(name: string, value: number): number {
  checkCount(name, value, 1);
  if (value > 2 ** 30 || (value & (value - 1)) !== 0) {
    throw new RangeError(
      `Cannot use ${name}: found ${value}, expected a power of two up to 1073741824`,
    );
  }
  return value;
}
