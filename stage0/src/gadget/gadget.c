/*
 * The supervisor: keeps FunctionFS open, so that the gadget stays on the bus, and starts the process
 * that serves again when that has ended.
 */
#include "gadget.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "descriptors.h"
#include "log.h"
#include "shared.h"
#include "sys.h"
#include "text.h"

enum { PATH = 256, BACK_OFF_MS = 100, BACK_OFF_MOST_MS = 5000, STEADY_MS = 60000 };

_Noreturn static void fatal(const char *what, const char *object, int error)
{
	log_line(LOG_ERROR, "gadget: cannot %s %s: %e (%s)", what, object, error,
		 errno_meaning(error));
	sys_exit(1);
}

static int must_open(const char *path, int flags)
{
	int fd = sys_open(path, flags, 0);

	if (fd < 0)
		fatal("open", path, fd);
	return fd;
}

static void write_ep0(int ep0, const char *what, const uint8_t *bytes, size_t size)
{
	ssize_t written = sys_write(ep0, bytes, size);

	if (written != (ssize_t)size)
		fatal("write the", what, written < 0 ? (int)written : -EIO);
}

/* FunctionFS makes ep1 to ep4 when it has been told what they are. */
static void open_function(const struct gadget_options *options, struct files *files)
{
	uint8_t descriptors[DESCRIPTORS_SIZE], strings[STRINGS_SIZE];
	char path[PATH];

	text_format(path, sizeof(path), "%s/ep0", options->ffs);
	files->ep0 = must_open(path, O_RDWR | O_NONBLOCK);
	descriptors_encode(descriptors, options->mimic_fastboot);
	write_ep0(files->ep0, "descriptors to ep0", descriptors, sizeof(descriptors));
	strings_encode(strings);
	write_ep0(files->ep0, "strings to ep0", strings, sizeof(strings));
	for (unsigned i = 0; i < ENDPOINTS; i++) {
		text_format(path, sizeof(path), "%s/ep%u", options->ffs, i + 1);
		/* Non-blocking: transfers fail while nobody is plugged in, instead of waiting. */
		files->endpoints[i] = must_open(path, O_RDWR | O_NONBLOCK);
	}
}

static void open_others(const struct gadget_options *options, struct files *files)
{
	int error = sys_mkdir(options->run, 0755);

	if (error < 0 && error != -EEXIST)
		fatal("make", options->run, error);
	files->run = must_open(options->run, O_RDONLY | O_DIRECTORY);
	files->dev = must_open("/dev", O_RDONLY | O_DIRECTORY);
	files->control = must_open("/dev/ublk-control", O_RDWR);
	files->kmsg = sys_open("/dev/kmsg", O_RDONLY | O_NONBLOCK, 0);
	if (files->kmsg < 0)
		log_line(LOG_WARNING, "cannot read /dev/kmsg: %e; the host will get no log",
			 files->kmsg);
}

/* Whether nobody reads the news any more: PID 1 has become the distribution's init. */
static bool is_handed_over(int news)
{
	struct pollfd poll = { .fd = news };

	return sys_poll(&poll, 1, 0) > 0 && poll.revents & POLLERR;
}

static int wait_for(pid_t worker)
{
	int status = 0;

	while (sys_waitpid(worker, &status, 0) == -EINTR)
		;
	return status;
}

static void say_end(int status)
{
	if (WIFSIGNALED(status))
		log_line(LOG_ERROR, "gadget: its process was killed by signal %d",
			 WTERMSIG(status));
	else
		log_line(LOG_ERROR, "gadget: its process ended with exit code %d",
			 WEXITSTATUS(status));
}

/*
 * The system's root is gone with us, so nobody ends us politely: killall5(8) and the like send
 * SIGTERM to all there is. Faults of our own are not held up by this.
 */
static void ignore_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sys_sigprocmask(SIG_BLOCK, &all);
}

/*
 * PID 1 does not read its news while it waits for a block that we are to fetch: a host that begins
 * again often enough would fill the pipe, and the two of us would wait for each other.
 */
static int must_not_wait(int news)
{
	int error = sys_fcntl(news, F_SETFL, O_WRONLY | O_NONBLOCK);

	if (error < 0)
		fatal("make non-blocking", "the pipe to PID 1", error);
	return news;
}

void gadget_run(const struct gadget_options *options, int news)
{
	static struct files files;
	struct gadget_news ready = { .what = GADGET_READY };
	unsigned back_off = BACK_OFF_MS;
	struct shared *shared;

	ignore_signals();
	files.news = must_not_wait(news);
	open_others(options, &files);
	open_function(options, &files);
	shared = sys_mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		fatal("allocate", "shared memory", -ENOMEM);
	sys_write(news, &ready, sizeof(ready));
	for (;;) {
		uint64_t started = sys_now_ns();
		pid_t worker = sys_fork();

		if (worker == 0)
			worker_run(options, &files, shared);
		if (worker < 0)
			log_line(LOG_ERROR, "gadget: cannot fork: %e", worker);
		else
			say_end(wait_for(worker));
		if (!is_handed_over(news))
			sys_exit(1);
		if (sys_now_ns() - started > STEADY_MS * 1000000ull)
			back_off = BACK_OFF_MS;
		log_line(LOG_WARNING, "gadget: starting it again in %u ms", back_off);
		sys_sleep_ms(back_off);
		back_off = back_off * 2 < BACK_OFF_MOST_MS ? back_off * 2 : BACK_OFF_MOST_MS;
	}
}
