/* The process that outlives the one that serves: its files are /dev/null, its worker a fake. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gadget.h"
#include "gadget/shared.h"
#include "gadget_test.h"
#include "sys.h"

enum { END_S = 10, MANY = 5000 };

/* Linked instead of sys_open(), by --wrap. */
int __wrap_sys_open(const char *path, int flags, mode_t mode);
int __wrap_sys_open(const char *path, int flags, mode_t mode)
{
	(void)path;
	(void)mode;
	return open("/dev/null", (flags & O_ACCMODE) | O_CLOEXEC);
}

static void (*serve)(const struct files *files);
static unsigned *seen; /* by both processes */

_Noreturn void worker_run(const struct gadget_options *options, const struct files *files,
			  struct shared *shared)
{
	(void)options;
	(void)shared;
	serve(files);
	*seen += 1;
	_exit(0);
}

/* Runs the supervisor before the handoff, and waits for its end. */
static int supervise(void (*what)(const struct files *files))
{
	const struct gadget_options options = { .ffs = "/ffs", .run = "/tmp" };
	int news[2], status = -1;
	pid_t pid;

	serve = what;
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(pipe(news) == 0);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		close(news[0]);
		gadget_run(&options, news[1]);
	}
	close(news[1]);
	for (unsigned i = 0; i < END_S * 100 && waitpid(pid, &status, WNOHANG) == 0; i++)
		usleep(10000);
	if (status == -1) {
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return status;
}

static void signal_both(const struct files *files)
{
	static const int polite[] = { SIGTERM, SIGHUP, SIGINT, SIGPWR, SIGUSR1, SIGPIPE };

	(void)files;
	for (unsigned i = 0; i < sizeof(polite) / sizeof(polite[0]); i++) {
		kill(getppid(), polite[i]);
		kill(getpid(), polite[i]);
	}
}

TEST(supervisor_signals, "gadget_run() is ended by no signal that is sent to everybody")
{
	int status = supervise(signal_both);

	SAME(*seen, 1);
	/* The worker ended by itself, which before the handoff is a failure. */
	CHECK(WIFEXITED(status));
	SAME(WEXITSTATUS(status), 1);
}

static void tell_much(const struct files *files)
{
	struct gadget_news news = { .what = GADGET_HOST };

	for (unsigned i = 0; i < MANY; i++)
		sys_write(files->news, &news, sizeof(news));
}

TEST(supervisor_news, "news wait for nobody: PID 1 reads none while it waits for a block")
{
	int status = supervise(tell_much);

	SAME(*seen, 1);
	CHECK(WIFEXITED(status));
}

static void crash(const struct files *files)
{
	(void)files;
	raise(SIGKILL);
}

TEST(supervisor_crash, "a worker that is killed before the handoff ends its supervisor, too")
{
	int status = supervise(crash);

	SAME(*seen, 0);
	CHECK(WIFEXITED(status));
	SAME(WEXITSTATUS(status), 1);
}
