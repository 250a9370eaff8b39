#include "kmsg_tty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <asm/termbits.h>

#include "log.h"
#include "sys.h"
#include "text.h"

#define TTY "/dev/ttyGS0"

enum { RECORD_SIZE = 8192, LINE_SIZE = 8192 };

/* A number that ends at `end`; false when it is none. */
static bool take_number(const char **at, const char *stop, char end, uint64_t *into)
{
	uint64_t value = 0;
	const char *start = *at;

	for (; *at < stop && **at >= '0' && **at <= '9'; *at += 1) {
		if (value > (UINT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (uint64_t)(**at - '0');
	}
	if (*at == start || *at == stop || **at != end)
		return false;
	*at += 1;
	*into = value;
	return true;
}

/* Records are "level,sequence,microseconds,flags;text\n KEY=value\n…". */
size_t kmsg_format(char *into, size_t size, const char *record, size_t length)
{
	const char *at = record, *stop = record + length;
	const char *text, *end;
	uint64_t level, sequence, time;
	size_t used;

	if (!take_number(&at, stop, ',', &level) || !take_number(&at, stop, ',', &sequence) ||
	    !take_number(&at, stop, ',', &time))
		return 0;
	text = memchr(at, ';', (size_t)(stop - at));
	if (!text)
		return 0;
	text++;
	end = memchr(text, '\n', (size_t)(stop - text));
	if (!end)
		end = stop;
	used = text_format(into, size, "[%5lu.%06lu] ", (unsigned long)(time / 1000000),
			   (unsigned long)(time % 1000000));
	if (used + (size_t)(end - text) + 2 > size)
		return 0;
	memcpy(into + used, text, (size_t)(end - text));
	used += (size_t)(end - text);
	memcpy(into + used, "\r\n", 2);
	return used + 2;
}

/* Bytes go out as they are, and what comes in is not sent back. */
static int make_raw(int tty)
{
	struct termios how;
	int result = sys_ioctl(tty, TCGETS, &how);

	if (result < 0)
		return result;
	how.c_iflag = 0;
	how.c_oflag = 0;
	how.c_lflag = 0;
	return sys_ioctl(tty, TCSETS, &how);
}

static int write_all(int tty, const char *from, size_t size)
{
	while (size > 0) {
		ssize_t put = sys_write(tty, from, size);

		if (put == -EINTR)
			continue;
		if (put == -EAGAIN) {
			struct pollfd ready = { .fd = tty, .events = POLLOUT };

			sys_poll(&ready, 1, -1);
			continue;
		}
		if (put < 0)
			return (int)put;
		from += put;
		size -= (size_t)put;
	}
	return 0;
}

static int forward(int kmsg, int tty)
{
	static char record[RECORD_SIZE], line[LINE_SIZE];

	for (;;) {
		ssize_t got = sys_read(kmsg, record, sizeof(record));
		int result;

		/* Lines were overwritten before they were read, or this one is too long. */
		if (got == -EPIPE || got == -EINTR || got == -EINVAL)
			continue;
		if (got <= 0)
			return (int)got;
		result = write_all(tty, line, kmsg_format(line, sizeof(line), record, (size_t)got));
		if (result < 0)
			return result;
	}
}

void kmsg_tty_run(void *context)
{
	int kmsg, result, tty = sys_open(TTY, O_RDWR | O_NOCTTY, 0);

	(void)context;
	kmsg = sys_open("/dev/kmsg", O_RDONLY, 0);
	result = tty < 0 ? tty : kmsg < 0 ? kmsg : make_raw(tty);
	if (result == 0)
		result = forward(kmsg, tty);
	/* What a hang-up by the getty leaves. */
	if (result != -EIO)
		log_line(LOG_WARNING, "the log is no longer on " TTY ": %e, %s", result,
			 errno_meaning(result));
}
