/* Numbers as strtoull(3) takes them, and records of the kernel's log. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kmsg_tty.h"
#include "text.h"

static void check_number(const char *text)
{
	uint64_t ours = 0, theirs;
	char *end;
	int hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');

	if (!text_number(text, UINT64_MAX, &ours))
		return;
	errno = 0;
	theirs = strtoull(text, &end, hexadecimal ? 16 : 10);
	if (errno || *end || end == text || ours != theirs)
		abort();
	/* A limit takes it and all below. */
	if (!text_number(text, ours, &ours) || (theirs > 0 && text_number(text, theirs - 1, &ours)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char line[256], *text = malloc(size + 1), *record = malloc(size ? size : 1);
	size_t length;

	memcpy(text, data, size);
	memcpy(record, data, size);
	text[size] = '\0';
	check_number(text);
	length = kmsg_format(line, sizeof(line), record, size);
	if (length > sizeof(line) || (length > 0 && memcmp(line + length - 2, "\r\n", 2) != 0))
		abort();
	text_clean(text);
	free(text);
	free(record);
	return 0;
}
