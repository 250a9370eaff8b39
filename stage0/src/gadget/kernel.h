/*
 * Calls to the kernel that only the gadget makes, beside those of sys.h: io_uring for ublk, native
 * AIO for FunctionFS. Tests put fakes in the place of `kernel_linux.c`.
 *
 * Why two: FunctionFS has no non-blocking mode that io_uring could use, so each of its transfers
 * would go to a thread, where they overtake each other; old kernels even damage memory when io_uring
 * submits them. Native AIO queues them at once and in order, can take them back, and takes them back
 * itself when the process ends.
 *
 * All give a negative errno when they fail.
 */
#ifndef GADGET_KERNEL_H
#define GADGET_KERNEL_H

#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int kernel_openat(int folder, const char *path, int flags, mode_t mode);
int kernel_renameat(int folder, const char *from, const char *to);

int kernel_aio_setup(unsigned events, aio_context_t *context);
int kernel_aio_submit(aio_context_t context, long count, struct iocb **blocks);
int kernel_aio_events(aio_context_t context, long most, struct io_event *into); /* never waits */
int kernel_aio_cancel(aio_context_t context, struct iocb *block);

int kernel_uring_setup(unsigned entries, struct io_uring_params *parameters);
/* @param wait_ms Longest wait for a completion: 0 waits for none, negative for ever. */
int kernel_uring_enter(int fd, unsigned submit, int wait_ms);

int kernel_start_thread(void (*run)(void *), void *argument);
/* Waits while `*word` is `value`, at most `ms`; kernel_wake() ends it. */
void kernel_wait(uint32_t *word, uint32_t value, unsigned ms);
void kernel_wake(uint32_t *word);

#endif
