/* How a boot ends that fails: one line that says all, then what the setting `stage0.failure` says. */
#ifndef STAGE0_FAILURE_H
#define STAGE0_FAILURE_H

#include <sys/types.h>

enum failure_policy {
	FAILURE_PANIC,      /* PID 1 ends, so the kernel panics and pstore keeps the log */
	FAILURE_REBOOT,     /* into what the phone boots by itself */
	FAILURE_BOOTLOADER, /* restart with the argument "bootloader" */
	FAILURE_POWEROFF,
	FAILURE_WAIT, /* stay, with the gadget still answering requests for the log */
};

/* What follows a failure, and after how many seconds. Panic after 5 s until this is called. */
void failure_plan(enum failure_policy policy, unsigned delay_s);

/* How long a failure waits before it ends the boot; the whole hour of an unlimited one. */
unsigned failure_delay_ms(void);

/*
 * Remembers which object a step is about to fail on and what a person should look at. The last call
 * before the end counts; texts of the format are as of text_format().
 *
 * @param advice What to do or to look at; NULL when there is nothing to say.
 * @return `error`
 */
int because(int error, const char *advice, const char *format, ...);

/* Ends the boot, from whichever process: "Cannot <what>: <object>: <errno>, <meaning>; <advice>". */
_Noreturn void fail(const char *what, int error);

/* Ends the boot when `result` is negative, else gives it on. */
ssize_t step(const char *what, ssize_t result);

#endif
