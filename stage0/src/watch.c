#include "watch.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "children.h"
#include "events.h"
#include "failure.h"
#include "sys.h"

enum { GRACE_MS = 3000 };

struct watch {
	int life[2]; /* closed by the first process when it becomes init, or ends */
	int news;    /* nobody writes to it any more when the gadget process has ended */
};

/* Until the handoff (true) or the end of the gadget process. */
static bool wait_for_handoff(const struct watch *watch)
{
	struct pollfd fds[] = { { .fd = watch->life[0] }, { .fd = watch->news } };

	while (!fds[0].revents && !fds[1].revents) {
		if (sys_poll(fds, 2, -1) < 0)
			fds[0].revents = fds[1].revents = 0;
	}
	if (fds[0].revents)
		return true;
	/* The first process has heard of it too, if it hears. */
	return sys_poll(fds, 1, (int)failure_delay_ms() + GRACE_MS) > 0;
}

static void run(void *context)
{
	const struct watch *watch = context;

	sys_close(watch->life[1]);
	if (wait_for_handoff(watch))
		return;
	fail("go on", because(-ECHILD, "its own lines above say why",
			      "the gadget process has ended, and the first process waits for the device "
			      "that it served"));
}

int watch_start(void)
{
	struct watch watch;
	pid_t pid;
	int result = sys_pipe(watch.life);

	if (result < 0)
		return because(result, NULL, "pipe");
	watch.news = events_copy_news();
	if (watch.news < 0)
		return because(watch.news, NULL, "copy of a pipe");
	pid = child_start("stage0-watch", run, &watch);
	sys_close(watch.life[0]);
	sys_close(watch.news);
	return pid < 0 ? because(pid, NULL, "fork") : 0;
}
