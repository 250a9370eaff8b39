#include "children.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "events.h"
#include "files.h"
#include "log.h"
#include "sys.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57 /* linux/prctl.h, since Linux 5.6 */
#endif

static char *program_name;

void children_named_at(char *name)
{
	program_name = name;
}

/* None of these is needed to boot: a kernel that lacks one still gets its root file system. */
static void protect(const char *name)
{
	int result;

	if (program_name && program_name[0])
		program_name[0] = '@';
	sys_prctl(PR_SET_NAME, (unsigned long)name, 0);
	result = write_existing("/proc/self/oom_score_adj", "-1000");
	if (result < 0)
		log_line(LOG_WARNING, "%s is not safe when memory runs out: oom_score_adj: %e", name,
			 result);
	result = sys_prctl(PR_SET_IO_FLUSHER, 1, 0);
	if (result < 0)
		log_line(LOG_DEBUG, "%s may wait for itself when memory is low: %e", name, result);
}

pid_t child_start(const char *name, void (*run)(void *context), void *context)
{
	pid_t pid = sys_fork();

	if (pid != 0)
		return pid;
	events_leave_to_parent();
	protect(name);
	run(context);
	sys_exit(0);
}

void child_end(pid_t pid)
{
	int status;

	if (pid <= 0)
		return;
	sys_kill(pid, SIGKILL);
	while (sys_waitpid(pid, &status, 0) == -EINTR)
		;
}
