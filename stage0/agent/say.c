/* Lines on the kernel's log. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent.h"
#include "text.h"

static int kmsg = 2;

void say_open(void)
{
	const char *node = AGENT_FOLDER "/kmsg";

	/* nothing is mounted yet */
	mknod(node, S_IFCHR | 0600, makedev(1, 11));
	int fd = open(node, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		kmsg = fd;
	unlink(node);
}

static void write_line(const char *level, const char *format, va_list list)
{
	char line[400];
	size_t used = text_format(line, sizeof line, "%sagent: ", level);

	used += text_format_list(line + used, sizeof line - used, format, list);
	if (used > sizeof line - 2)
		used = sizeof line - 2;
	line[used++] = '\n';
	/* there is nowhere to tell that this did not work */
	ssize_t unused = write(kmsg, line, used);
	(void)unused;
}

void say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	write_line("<6>", format, list);
	va_end(list);
}

void fail(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	write_line("<3>", format, list);
	va_end(list);
	_exit(1);
}
