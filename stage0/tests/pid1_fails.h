/* What tests of boots that fail share. */
#ifndef PID1_FAILS_H
#define PID1_FAILS_H

#include "fake_sys.h"
#include "pid1_test.h"

/* The whole last line, which must be on the log and on the console. */
static inline void fails(const char *line)
{
	char all[1024];
	const char *last;

	fake_boot();
	CHECK(fake.ending == FAKE_EXIT && fake.status == 1, "ending %d, status %d: %s", fake.ending,
	      fake.status, fake.kmsg);
	snprintf(all, sizeof(all), "<3>stage0: %s [kernel panic in 5 s]\n", line);
	last = strstr(fake.kmsg, "<3>");
	CHECK(last, "no error in: %s", fake.kmsg);
	CHECK(!strcmp(last, all), "%s, expected %s", last, all);
	snprintf(all, sizeof(all), "stage0: %s [kernel panic in 5 s]\r\n", line);
	CHECK(!strcmp(fake.console, all), "console: %s", fake.console);
	CHECK(fake.slept_ms == 5000, "slept %u ms", (unsigned)fake.slept_ms);
}

#endif
