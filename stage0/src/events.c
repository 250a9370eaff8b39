#include "events.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "failure.h"
#include "gadget.h"
#include "log.h"
#include "sys.h"

enum { UEVENTS, SIGNALS, NEWS, SOURCES };

static int sources[SOURCES] = { -1, -1, -1 };
static pid_t gadget;
static struct progress progress;

int events_open(void)
{
	sigset_t set;
	int result;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	gadget = 0;
	progress = (struct progress){ .ready = false };
	result = sys_sigprocmask(SIG_SETMASK, &set);
	if (result < 0)
		return because(result, NULL, "block of SIGCHLD");
	sources[SIGNALS] = sys_signalfd(&set);
	if (sources[SIGNALS] < 0)
		return because(sources[SIGNALS], "does the kernel have CONFIG_SIGNALFD?", "signalfd");
	sources[UEVENTS] = sys_uevent_socket();
	if (sources[UEVENTS] < 0)
		return because(sources[UEVENTS], "does the kernel have CONFIG_NET?", "uevent socket");
	return 0;
}

int events_pipe(int *news)
{
	int fds[2], result = sys_pipe(fds);

	if (result < 0)
		return because(result, NULL, "pipe");
	sources[NEWS] = fds[0];
	*news = fds[1];
	return 0;
}

void events_watch(pid_t pid, int news)
{
	gadget = pid;
	sys_close(news);
}

int events_copy_news(void)
{
	return sys_fcntl(sources[NEWS], F_DUPFD_CLOEXEC, 0);
}

static void close_source(int which)
{
	if (sources[which] >= 0)
		sys_close(sources[which]);
	sources[which] = -1;
}

void events_close(void)
{
	sigset_t none;

	for (int i = 0; i < SOURCES; i++)
		close_source(i);
	sigemptyset(&none);
	sys_sigprocmask(SIG_SETMASK, &none);
}

void events_leave_to_parent(void)
{
	events_close();
}

const struct progress *events_progress(void)
{
	return &progress;
}

static int gadget_ended(int status)
{
	static const char ADVICE[] = "its own lines above say why";

	gadget = 0;
	if (WIFSIGNALED(status))
		return because(-ECHILD, ADVICE, "the gadget process was ended by signal %d",
			       WTERMSIG(status));
	return because(-ECHILD, ADVICE, "the gadget process ended with exit code %d",
		       WEXITSTATUS(status));
}

/* Others may end as they like: before us PID 1 may have been somebody else, with children. */
static int reap(void)
{
	int status, result = 0;
	pid_t pid;

	while ((pid = sys_waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == gadget)
			result = gadget_ended(status);
		else
			log_line(LOG_DEBUG, "process %d ended", (int)pid);
	}
	return result;
}

/* Their text does not matter: whoever waits for something looks whether it is there. */
static int drain(int which)
{
	char buffer[2048];
	ssize_t got;

	/* -ENOBUFS says that some were lost, which is as good as having read them. */
	while ((got = sys_read(sources[which], buffer, sizeof(buffer))) > 0 || got == -EINTR ||
	       got == -ENOBUFS)
		;
	return got < 0 && got != -EAGAIN ? (int)got : 0;
}

static int take_online(const struct gadget_news *news)
{
	size_t length = strnlen(news->device, sizeof(news->device));

	if (length == sizeof(news->device) || strncmp(news->device, "/dev/", 5) != 0)
		return because(-EPROTO, NULL, "the gadget process named no device");
	log_line(LOG_INFO, "%s is there: export %u (id %08x), %lu MiB in blocks of %u bytes",
		 news->device, news->index, news->export_id, (unsigned long)(news->size >> 20),
		 news->block_size);
	if (news->index == 0 && !progress.online) {
		progress.online = true;
		progress.online_ns = sys_now_ns();
		memcpy(progress.device, news->device, length + 1);
	}
	return 0;
}

static int take_news(const struct gadget_news *news)
{
	switch (news->what) {
	case GADGET_READY:
		progress.ready = true;
		return 0;
	case GADGET_HOST:
		progress.host = true;
		log_line(LOG_INFO, "a host is there; waiting for what it exports");
		return 0;
	case GADGET_EXPORTS:
		log_line(LOG_INFO, "the host exports %u images; waiting for the first one",
			 news->count);
		return 0;
	case GADGET_ONLINE:
		return take_online(news);
	default:
		return because(-EPROTO, NULL, "the gadget process said %u", news->what);
	}
}

static int read_news(void)
{
	struct gadget_news news;
	ssize_t got = sys_read(sources[NEWS], &news, sizeof(news));

	if (got == -EINTR || got == -EAGAIN)
		return 0;
	if (got < 0)
		return because((int)got, NULL, "news of the gadget process");
	if (got == 0) {
		/* It is ending; its exit code is on the way. */
		close_source(NEWS);
		return 0;
	}
	if (got != (ssize_t)sizeof(news))
		return because(-EPROTO, NULL, "the gadget process sent %zd bytes, expected %zu", got,
			       sizeof(news));
	return take_news(&news);
}

int events_wait(int timeout_ms)
{
	struct pollfd fds[SOURCES];
	int result;

	for (int i = 0; i < SOURCES; i++)
		fds[i] = (struct pollfd){ .fd = sources[i], .events = POLLIN };
	result = sys_poll(fds, SOURCES, timeout_ms);
	if (result == -EINTR)
		return 0;
	if (result < 0)
		return because(result, NULL, "poll");
	if (result == 0)
		return -ETIMEDOUT;
	/* News first: they tell of what came before an end. */
	if (fds[NEWS].revents && (result = read_news()) < 0)
		return result;
	if (fds[UEVENTS].revents && (result = drain(UEVENTS)) < 0)
		return because(result, NULL, "uevent socket");
	if (!fds[SIGNALS].revents)
		return 0;
	result = drain(SIGNALS);
	return result < 0 ? because(result, NULL, "signalfd") : reap();
}
