/*
 * Lines for people, on the kernel's log: /dev/kmsg, "stage0: " in front, so that serial consoles,
 * pstore, dmesg and the host (request LOG of the gadget) have them all.
 */
#ifndef STAGE0_LOG_H
#define STAGE0_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_ERROR = 3, LOG_WARNING = 4, LOG_INFO = 6, LOG_DEBUG = 7 }; /* as of syslog */

/* Opens /dev/kmsg; before and without it lines go to standard error. 0 or a negative errno. */
int log_open(void);

/* False when lines go to standard error. */
bool log_is_open(void);

/* Lines above this level are dropped; LOG_INFO at first. */
void log_limit(enum log_level most);

/* `format` as of text_format(). A line is cut at 900 bytes. */
void log_line(enum log_level level, const char *format, ...);

#endif
