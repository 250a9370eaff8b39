/* Tests that each run in a process of their own, since stage0 keeps its state in static variables. */
#ifndef PID1_TEST_H
#define PID1_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct test {
	const char *name;
	void (*run)(void);
};

#define CHECK(condition, ...)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("# %s:%d: %s: ", __FILE__, __LINE__, #condition);                   \
			printf(__VA_ARGS__);                                                       \
			printf("\n");                                                              \
			fflush(stdout);                                                            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

#define CHECK_HAS(text, part) CHECK(strstr(text, part), "no \"%s\" in: %s", part, text)
#define CHECK_HAS_NOT(text, part) CHECK(!strstr(text, part), "\"%s\" in: %s", part, text)

/* Runs `run` in a child; true when it ended with 0. */
static inline int runs_well(void (*run)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		run();
		fflush(stdout);
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

/* Prints a line for each, as TAP; the exit code says whether all are good. */
static inline int run_tests(const struct test *tests, unsigned count)
{
	int bad = 0;

	for (unsigned i = 0; i < count; i++) {
		int good = runs_well(tests[i].run);

		printf("%s - %s\n", good ? "ok" : "not ok", tests[i].name);
		bad += !good;
	}
	return bad ? 1 : 0;
}

#endif
