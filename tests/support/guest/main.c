/*
 * The first process of the test guest. It says "guest: ready" and then takes commands, one a line,
 * on the console. What a command says comes in lines "guest: …", the last one is
 * "guest: done WORD" or "guest: failed WORD ERRNO". "&" in front runs it beside the next ones.
 *
 *     cat PATH                       lines of a file, "| " before each
 *     ls PATH                        names in a folder, sorted
 *     stat PATH…                     type, mode, size
 *     link PATH                      target of a link
 *     sha PATH…                      SHA-256, as sha256sum prints it
 *     ps                             processes whose command line begins with "@", with their memory
 *     log [WORD]                     lines of the kernel's log, of those with WORD in them
 *     device PATH                    size and read-only flag of a block device; writes zeros to it
 *     readers THREADS READS PATH [MOST_KIB]
 *                                    random O_DIRECT reads, each compared with the pattern
 *     read PATH OFFSET KIB           one O_DIRECT read, compared with the pattern
 *     seq PATH KIB MIB [direct]      reads in order: KIB at a time, MIB in all
 *     write PATH KIB                 writes a file, reads it back from where it is stored
 *     drop                           drops what is cached of files
 *     kill SIGNAL PID                sends a signal
 *     sleep MS, uptime, poweroff
 */
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/reboot.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { MOST_LINE = 1024, SYSLOG_CONSOLE_LEVEL = 8 };

void say(const char *format, ...)
{
	char line[MOST_LINE] = "guest: ";
	size_t at = strlen(line);
	va_list list;

	va_start(list, format);
	int size = vsnprintf(line + at, sizeof(line) - at - 1, format, list);
	va_end(list);
	if (size < 0)
		return;
	at += (size_t)size;
	if (at > sizeof(line) - 2)
		at = sizeof(line) - 2;
	line[at++] = '\n';
	if (write(1, line, at) < 0)
		_exit(1);
}

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int do_kill(int count, char **words)
{
	if (count != 3)
		return EINVAL;
	return kill(atoi(words[2]), atoi(words[1])) < 0 ? errno : 0;
}

static int do_sleep(int count, char **words)
{
	if (count != 2)
		return EINVAL;
	usleep((useconds_t)atoi(words[1]) * 1000);
	return 0;
}

static int do_uptime(int count, char **words)
{
	(void)count, (void)words;
	say("uptime_ms=%llu", (unsigned long long)now_ms());
	return 0;
}

static int do_poweroff(int count, char **words)
{
	(void)count, (void)words;
	sync();
	return reboot(RB_POWER_OFF) < 0 ? errno : 0;
}

static const struct {
	const char *word;
	command run;
} COMMANDS[] = {
	{ "cat", do_cat },
	{ "ls", do_list },
	{ "stat", do_stat },
	{ "link", do_link },
	{ "sha", do_sha },
	{ "ps", do_processes },
	{ "log", do_log },
	{ "device", do_device },
	{ "readers", do_readers },
	{ "read", do_read },
	{ "seq", do_sequential },
	{ "write", do_write },
	{ "drop", do_drop },
	{ "kill", do_kill },
	{ "sleep", do_sleep },
	{ "uptime", do_uptime },
	{ "poweroff", do_poweroff },
};

static void run_line(char *line)
{
	char *words[MOST_WORDS + 1], *rest;
	int count = 0, error = ENOSYS;

	for (char *word = strtok_r(line, " \t\r\n", &rest); word != NULL && count < MOST_WORDS;
	     word = strtok_r(NULL, " \t\r\n", &rest))
		words[count++] = word;
	words[count] = NULL;
	if (count == 0)
		return;
	for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(*COMMANDS); i++)
		if (strcmp(COMMANDS[i].word, words[0]) == 0)
			error = COMMANDS[i].run(count, words);
	if (error == 0)
		say("done %s", words[0]);
	else
		say("failed %s %s", words[0], strerrorname_np(error));
}

static void *run_beside(void *line)
{
	run_line(line);
	free(line);
	return NULL;
}

static void take(char *line)
{
	pthread_t thread;

	while (*line == ' ')
		line++;
	if (*line != '&') {
		run_line(line);
		return;
	}
	char *copy = strdup(line + 1);
	if (copy == NULL || pthread_create(&thread, NULL, run_beside, copy) != 0)
		say("failed & ENOMEM");
	else
		pthread_detach(thread);
}

static void open_console(void)
{
	struct termios mode;
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	for (int as = 0; fd >= 0 && as < 3; as++)
		dup2(fd, as);
	if (tcgetattr(0, &mode) < 0)
		return;
	mode.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(0, TCSANOW, &mode);
}

int main(void)
{
	char line[MOST_LINE];
	uint64_t start = now_ms();

	open_console();
	/* Lines of the kernel would come in the middle of ours; "log" has them. */
	klogctl(SYSLOG_CONSOLE_LEVEL, NULL, 1);
	/* Whoever loses his parent is ours, and is not waited for. */
	signal(SIGCHLD, SIG_IGN);
	say("ready uptime_ms=%llu pid=%d", (unsigned long long)start, (int)getpid());
	for (;;) {
		ssize_t size = read(0, line, sizeof(line) - 1);
		if (size <= 0) {
			usleep(100000);
			continue;
		}
		line[size] = '\0';
		take(line);
	}
}
