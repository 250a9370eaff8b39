#include "log.h"

#include <fcntl.h>

#include "sys.h"
#include "text.h"

enum { LONGEST = 900, STANDARD_ERROR = 2 };

static int kmsg = -1;
static enum log_level limit = LOG_INFO;

int log_open(void)
{
	int fd = sys_open("/dev/kmsg", O_WRONLY | O_NOCTTY, 0);

	if (fd < 0)
		return fd;
	kmsg = fd;
	return 0;
}

bool log_is_open(void)
{
	return kmsg >= 0;
}

void log_limit(enum log_level most)
{
	limit = most;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[LONGEST + 2];
	size_t length, prefix;
	va_list list;

	if (level > limit)
		return;
	prefix = text_format(line, sizeof(line), "<%u>stage0: ", (unsigned)level);
	va_start(list, format);
	length = prefix + text_format_list(line + prefix, LONGEST + 1 - prefix, format, list);
	va_end(list);
	if (length > LONGEST)
		length = LONGEST;
	/* One write is one record of the kernel's log; a line end inside would start another. */
	text_clean(line);
	line[length++] = '\n';
	if (kmsg >= 0 && sys_write(kmsg, line, length) >= 0)
		return;
	/* The level is for the kernel only. */
	sys_write(STANDARD_ERROR, line + 3, length - 3);
}
