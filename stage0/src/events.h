/* What PID 1 waits for: the kernel's events, ends of children, news of the gadget process. */
#ifndef STAGE0_EVENTS_H
#define STAGE0_EVENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the gadget process has said so far. */
struct progress {
	bool ready;	     /* the UDC may be bound */
	bool host;	     /* one is there */
	bool online;	     /* the block device of export 0 is there */
	uint64_t online_ns;  /* when that was heard, CLOCK_BOOTTIME */
	char device[32];     /* "/dev/ublkb0" */
};

/* Listens, so that nothing is missed from here on. */
int events_open(void);

/*
 * Makes the pipe for struct gadget_news and gives its write end, which is closed here with
 * events_watch().
 */
int events_pipe(int *news);

/* From now on the end of this process is a failure. Closes our copy of the write end. */
void events_watch(pid_t gadget, int news);

/* Another descriptor of the pipe's read end, or a negative errno. */
int events_copy_news(void);

/* In a child: gives back what only PID 1 may hold, and takes signals as usual again. */
void events_leave_to_parent(void);

/*
 * Waits until anything happens and takes it in.
 *
 * @param timeout_ms -1 for ever, 0 to only look.
 * @return 0; -ETIMEDOUT; -ECHILD when the gadget process has ended; or what reading failed with.
 */
int events_wait(int timeout_ms);

const struct progress *events_progress(void);

/* Before the distribution's init: signals as the kernel gave them to us. */
void events_close(void);

#endif
