/* Runs every test in a child, so that one that crashes fails alone. */
#include "gadget_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 200 };

static struct {
	const char *name;
	void (*run)(void);
} tests[MOST];
static unsigned count;

void gadget_test_add(const char *name, void (*run)(void))
{
	if (count == MOST)
		abort();
	tests[count].name = name;
	tests[count++].run = run;
}

void gadget_test_check(bool is_true, const char *file, int line, const char *text)
{
	if (is_true)
		return;
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, text);
	_exit(1);
}

void gadget_test_same(int64_t found, int64_t expected, const char *file, int line,
		      const char *text)
{
	if (found == expected)
		return;
	fprintf(stderr, "%s:%d: %s is %lld, expected %lld\n", file, line, text, (long long)found,
		(long long)expected);
	_exit(1);
}

void gadget_test_text(const char *found, const char *expected, const char *file, int line)
{
	if (found && expected && !strcmp(found, expected))
		return;
	fprintf(stderr, "%s:%d: found \"%s\", expected \"%s\"\n", file, line, found, expected);
	_exit(1);
}

void gadget_test_bytes(const void *found, size_t size, const char *hex, const char *file, int line)
{
	const uint8_t *bytes = found;
	size_t at = 0;
	unsigned value;
	int used;

	while (sscanf(hex, " %2x%n", &value, &used) == 1) {
		hex += used;
		if (at >= size || bytes[at] != value) {
			fprintf(stderr, "%s:%d: byte %zu of %zu is not %02x\n", file, line, at,
				size, value);
			_exit(1);
		}
		at++;
	}
	gadget_test_same((int64_t)size, (int64_t)at, file, line, "number of bytes");
}

uint32_t gadget_test_random(uint32_t limit)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 20) % limit;
}

int main(void)
{
	unsigned failed = 0;

	for (unsigned i = 0; i < count; i++) {
		int status = 0;
		pid_t child = fork();

		if (child == 0) {
			alarm(60);
			tests[i].run();
			_exit(0);
		}
		waitpid(child, &status, 0);
		printf("%s %s\n", status ? "not ok" : "ok", tests[i].name);
		fflush(stdout);
		failed += status != 0;
	}
	return failed != 0;
}
