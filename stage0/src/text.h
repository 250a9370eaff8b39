/* Small texts without stdio, which would be a third of the program. */
#ifndef STAGE0_TEXT_H
#define STAGE0_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writes at most `size` bytes with the NUL, which is always there when `size` is not 0.
 *
 * %s (NULL is "(none)"), %c, %d %u %x with l or z, %% and zero-padded widths as in %08x; %e takes an
 * errno, negative or not, and gives its name: "ENOENT", or its number.
 *
 * @return The length without a limit, as snprintf(3): at least `size` when it was cut.
 */
size_t text_format(char *into, size_t size, const char *format, ...);
size_t text_format_list(char *into, size_t size, const char *format, va_list list);

/* Puts spaces in the place of control characters, which a terminal would obey. */
void text_clean(char *text);

/* Name of an errno, and what it means to a person; never NULL. */
const char *errno_name(int number);
const char *errno_meaning(int number);

/* Whole text as a number: decimal, or 0x and hexadecimal. False when it is none or above `most`. */
bool text_number(const char *text, uint64_t most, uint64_t *into);

#endif
