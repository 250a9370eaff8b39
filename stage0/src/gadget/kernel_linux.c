#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sys.h"

enum { STACK_SIZE = 64 << 10 };

static int number(long result)
{
	return result < 0 ? -errno : (int)result;
}

int kernel_openat(int folder, const char *path, int flags, mode_t mode)
{
	return number(openat(folder, path, flags | O_CLOEXEC, mode));
}

int kernel_renameat(int folder, const char *from, const char *to)
{
	return number(renameat(folder, from, folder, to));
}

int kernel_aio_setup(unsigned events, aio_context_t *context)
{
	*context = 0;
	return number(syscall(SYS_io_setup, events, context));
}

int kernel_aio_submit(aio_context_t context, long count, struct iocb **blocks)
{
	return number(syscall(SYS_io_submit, context, count, blocks));
}

int kernel_aio_events(aio_context_t context, long most, struct io_event *into)
{
	struct timespec none = { 0, 0 };

	return number(syscall(SYS_io_getevents, context, 0L, most, into, &none));
}

int kernel_aio_cancel(aio_context_t context, struct iocb *block)
{
	struct io_event unused;

	return number(syscall(SYS_io_cancel, context, block, &unused));
}

int kernel_uring_setup(unsigned entries, struct io_uring_params *parameters)
{
	return number(syscall(SYS_io_uring_setup, entries, parameters));
}

int kernel_uring_enter(int fd, unsigned submit, int wait_ms)
{
	/* The kernel's own layout of time: 64 bits on every machine. */
	struct __kernel_timespec limit = {
		.tv_sec = wait_ms / 1000,
		.tv_nsec = wait_ms % 1000 * 1000000L,
	};
	struct io_uring_getevents_arg argument = { .ts = (uintptr_t)&limit };
	unsigned flags = IORING_ENTER_GETEVENTS;

	if (wait_ms > 0)
		return number(syscall(SYS_io_uring_enter, fd, submit, 1,
				      flags | IORING_ENTER_EXT_ARG, &argument, sizeof(argument)));
	return number(syscall(SYS_io_uring_enter, fd, submit, wait_ms ? 1 : 0, flags, NULL, 0));
}

struct start {
	void (*run)(void *);
	void *argument;
};

static void *thread_main(void *given)
{
	struct start *start = given;

	start->run(start->argument);
	return NULL;
}

int kernel_start_thread(void (*run)(void *), void *argument)
{
	static struct start start; /* there is one thread beside the first */
	pthread_attr_t attributes;
	pthread_t thread;

	start.run = run;
	start.argument = argument;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	return -pthread_create(&thread, &attributes, thread_main, &start);
}

void kernel_wait(uint32_t *word, uint32_t value, unsigned ms)
{
	struct timespec limit = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &limit, NULL, 0);
}

void kernel_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
