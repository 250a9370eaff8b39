/* The kernel's log on the serial console over USB. */
#ifndef STAGE0_KMSG_TTY_H
#define STAGE0_KMSG_TTY_H

#include <stddef.h>

/*
 * A line for people of one record of /dev/kmsg: "[    1.234567] text" and CR LF.
 *
 * @return Its length, or 0 when the record is none.
 */
size_t kmsg_format(char *into, size_t size, const char *record, size_t length);

/*
 * Copies the log to /dev/ttyGS0, from its first line on, until somebody else takes the terminal
 * over, as a getty does. For child_start(); `context` is not used.
 */
void kmsg_tty_run(void *context);

#endif
